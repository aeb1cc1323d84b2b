-- Raw products, the newest first, and what became of each
SELECT r.id,
       r.batch_id,
       CASE WHEN q.raw_id IS NOT NULL THEN 'quarantined'
            WHEN c.raw_id IS NOT NULL THEN 'clean'
            WHEN s.raw_id IS NOT NULL THEN 'superseded'
            ELSE 'not judged yet' END AS state,
       q.issues,
       r.raw_text AS received
FROM raw_products AS r
LEFT JOIN quarantine_products AS q ON q.raw_id = r.id
LEFT JOIN clean_products AS c ON c.raw_id = r.id
LEFT JOIN superseded_products AS s ON s.raw_id = r.id
ORDER BY r.id DESC
LIMIT 20;

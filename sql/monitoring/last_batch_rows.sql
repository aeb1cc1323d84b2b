-- Where the rows of the last batch are, by vendor
SELECT r.source,
       count(c.raw_id) AS clean,
       count(s.raw_id) AS superseded,
       count(q.raw_id) AS quarantined
FROM raw_products AS r
LEFT JOIN clean_products AS c ON c.raw_id = r.id
LEFT JOIN superseded_products AS s ON s.raw_id = r.id
LEFT JOIN quarantine_products AS q ON q.raw_id = r.id
WHERE r.batch_id = (SELECT batch_id FROM batch_reports ORDER BY reported_at DESC LIMIT 1)
GROUP BY r.source
ORDER BY r.source;

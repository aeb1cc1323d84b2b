-- Rows received and rejected from each vendor
SELECT r.source,
       count(*) AS received,
       count(q.raw_id) AS quarantined,
       round(100.0 * count(q.raw_id) / count(*), 2) AS percent
FROM raw_products AS r
LEFT JOIN quarantine_products AS q ON q.raw_id = r.id
WHERE r.processed
GROUP BY r.source
ORDER BY percent DESC, source;

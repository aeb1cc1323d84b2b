-- The ledger of each batch: raw = clean + superseded + quarantined, so nothing is missing
SELECT r.batch_id,
       count(*) AS raw,
       count(c.raw_id) AS clean,
       count(s.raw_id) AS superseded,
       count(q.raw_id) AS quarantined,
       count(*) - count(c.raw_id) - count(s.raw_id) - count(q.raw_id) AS missing
FROM raw_products AS r
LEFT JOIN clean_products AS c ON c.raw_id = r.id
LEFT JOIN superseded_products AS s ON s.raw_id = r.id
LEFT JOIN quarantine_products AS q ON q.raw_id = r.id
WHERE r.processed
GROUP BY r.batch_id
ORDER BY max(r.ingestion_time) DESC;

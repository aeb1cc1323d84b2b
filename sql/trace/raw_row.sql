-- A raw row with its batch, its verdict, and the zone that holds it.
SELECT r.id, r.batch_id, b.run_id, b.product_date, r.source, r.line_number, r.ingestion_time, r.raw_text,
       r.raw_bytes, r.processed, v.rule_version, v.product_id, coalesce(q.issues, v.issues) AS issues,
       c.loaded_at, s.superseded_at, q.quarantined_at
FROM raw_products r
LEFT JOIN batches b USING (batch_id)
LEFT JOIN product_verdicts v ON v.batch_id = r.batch_id AND v.raw_id = r.id
LEFT JOIN clean_products c ON c.raw_id = r.id
LEFT JOIN superseded_products s ON s.raw_id = r.id
LEFT JOIN quarantine_products q ON q.raw_id = r.id
WHERE r.id = %(raw_id)s;

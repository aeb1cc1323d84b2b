-- A raw row with its batch, its verdict and its zone. If the batch is archived, the row's source comes from
-- the verdict, and `file` is where the row is.
WITH raw AS (
    SELECT id, batch_id, source, line_number, ingestion_time, raw_text, raw_bytes, NULL AS file
    FROM raw_products
    WHERE id = %(raw_id)s
    UNION ALL
    SELECT raw_id, batch_id, source, NULL, ingestion_time, NULL, NULL, file
    FROM product_verdicts JOIN archived_batches USING (batch_id)
    WHERE raw_id = %(raw_id)s
)
SELECT r.*, b.run_id, b.product_date, v.rule_version, v.product_id, coalesce(q.issues, v.issues) AS issues,
       c.loaded_at, s.superseded_at, q.quarantined_at
FROM raw r
LEFT JOIN batches b USING (batch_id)
LEFT JOIN product_verdicts v ON v.batch_id = r.batch_id AND v.raw_id = r.id
LEFT JOIN clean_products c ON c.raw_id = r.id
LEFT JOIN superseded_products s ON s.raw_id = r.id
LEFT JOIN quarantine_products q ON q.raw_id = r.id;

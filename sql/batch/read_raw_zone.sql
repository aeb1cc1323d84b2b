-- The rows of a batch, to be judged.
SELECT id::text, source, ingestion_time::text, raw_text
FROM raw_products
WHERE batch_id = %(batch_id)s;

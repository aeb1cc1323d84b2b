-- The raw rows in a slice of a batch, to be validated.
SELECT id::text, source, ingestion_time::text,
       CASE WHEN raw_bytes IS NULL THEN raw_text END, raw_bytes -- only one of the two: each may be 1 MiB
FROM raw_products
WHERE batch_id = %(batch_id)s
  AND raw_part(id) >= %(first)s AND raw_part(id) < %(last)s;

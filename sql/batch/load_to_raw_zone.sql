-- Copy what was landed to the raw zone, as received; a line that is there already stays as it is.
INSERT INTO raw_products (batch_id, source, line_number, ingestion_time, raw_text, raw_data)
SELECT batch_id, source, line_number, landed_at, raw_text, jsonb_or_null(raw_text)
FROM landing_products
WHERE batch_id = %(batch_id)s
ORDER BY source, line_number
ON CONFLICT (batch_id, source, line_number) DO NOTHING;

DELETE FROM landing_products WHERE batch_id = %(batch_id)s;

-- The planner knows nothing yet of rows that came a moment ago, and would join them one by one.
ANALYZE raw_products (id, batch_id);

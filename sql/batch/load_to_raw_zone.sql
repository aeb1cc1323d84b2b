-- Move the landed records to the raw zone, as received and in the order of the vendor's list. The DELETE
-- and the SELECT use the same snapshot, so records that another vendor lands meanwhile are not deleted
-- before they are moved. A second attempt finds nothing left to move.
WITH moved AS (
    DELETE FROM landing_products WHERE batch_id = %(batch_id)s
)
INSERT INTO raw_products
    (batch_id, source, line_number, ingestion_time, raw_text, raw_bytes, raw_size, raw_data)
SELECT
    batch_id, source, line_number, landed_at, raw_text, raw_bytes, raw_size,
    CASE WHEN raw_bytes IS NOT NULL THEN NULL
         -- A short record is safe to cast (see jsonb_or_null), which saves a function call for each.
         WHEN %(all_json)s AND octet_length(raw_text) < 300 THEN raw_text::jsonb
         ELSE jsonb_or_null(raw_text) END
FROM landing_products
WHERE batch_id = %(batch_id)s
ORDER BY source COLLATE "C", line_number;

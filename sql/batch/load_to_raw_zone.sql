-- Move what was landed to the raw zone, as received and in the order of the vendor's list. Both
-- parts of the statement see the table as it was when the statement began, so what another vendor
-- lands meanwhile is not deleted unread; a second attempt finds nothing left to move.
WITH moved AS (
    DELETE FROM landing_products WHERE batch_id = %(batch_id)s
)
INSERT INTO raw_products
    (batch_id, source, line_number, ingestion_time, raw_text, raw_bytes, raw_size, raw_data)
SELECT
    batch_id, source, line_number, landed_at, raw_text, raw_bytes, raw_size,
    CASE WHEN raw_bytes IS NOT NULL THEN NULL
         -- A short record is no danger (jsonb_or_null has more), and a function call for each costs.
         WHEN %(all_json)s AND octet_length(raw_text) < 300 THEN raw_text::jsonb
         ELSE jsonb_or_null(raw_text) END
FROM landing_products
WHERE batch_id = %(batch_id)s
ORDER BY source COLLATE "C", line_number;

-- Move what was landed to the raw zone, as received. One statement: what another vendor lands
-- meanwhile is not deleted unread, and a second attempt finds nothing left to move.
WITH moved AS (
    DELETE FROM landing_products WHERE batch_id = %(batch_id)s RETURNING *
)
INSERT INTO raw_products (batch_id, source, line_number, ingestion_time, raw_text, raw_data)
SELECT batch_id, source, line_number, landed_at, raw_text, jsonb_or_null(raw_text)
FROM moved;

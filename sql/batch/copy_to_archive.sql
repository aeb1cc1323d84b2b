-- The columns are listed, because their order in an upgraded database differs from that in a new one.
COPY (
    SELECT id, batch_id, source, line_number, ingestion_time, raw_text, raw_bytes, raw_size, raw_data,
           processed
    FROM raw_products
    WHERE batch_id = %(batch_id)s
    ORDER BY id
) TO STDOUT (FORMAT csv, HEADER);

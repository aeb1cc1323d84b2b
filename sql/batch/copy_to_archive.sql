-- All columns, in this order: an upgraded database has them in another one than a new database.
COPY (
    SELECT id, batch_id, source, line_number, ingestion_time, raw_text, raw_bytes, raw_size, raw_data,
           processed
    FROM raw_products
    WHERE batch_id = %(batch_id)s
    ORDER BY id
) TO STDOUT (FORMAT csv, HEADER);

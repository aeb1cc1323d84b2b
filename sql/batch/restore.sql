-- With their original ids, because the rows in the other zones refer to them.
INSERT INTO raw_products
    (id, batch_id, source, line_number, ingestion_time, raw_text, raw_bytes, raw_size, raw_data,
     processed)
OVERRIDING SYSTEM VALUE
SELECT id, batch_id, source, line_number, ingestion_time, raw_text, raw_bytes, raw_size, raw_data,
       processed
FROM read_back;

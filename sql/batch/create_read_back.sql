-- For the rows of an archive file, with the columns in the order of copy_to_archive.sql.
CREATE TEMPORARY TABLE read_back AS
SELECT id, batch_id, source, line_number, ingestion_time, raw_text, raw_bytes, raw_size, raw_data,
       processed
FROM raw_products
WITH NO DATA;

COPY landing_products (batch_id, source, line_number, raw_text, raw_bytes, raw_size)
FROM STDIN;

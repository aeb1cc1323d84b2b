COPY landing_products (batch_id, source, line_number, raw_text) FROM STDIN;

-- An empty line is an empty text, not NULL.
COPY landing_products (batch_id, source, line_number, raw_text)
FROM STDIN (FORMAT csv, FORCE_NOT_NULL (raw_text));

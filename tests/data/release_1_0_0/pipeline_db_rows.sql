-- A batch as release 1.0.0 left it: a clean row, a duplicate, a rejected one and an older batch's row.
INSERT INTO extractions VALUES ('older', 'vendor', 1, '2026-11-24 02:00Z'), ('old', 'vendor', 3, '2026-11-25 02:00Z');
INSERT INTO raw_products (batch_id, source, line_number, ingestion_time, raw_text, raw_data, processed)
SELECT batch_id, 'vendor', line_number, at::timestamptz, raw_text, raw_text::jsonb, true
FROM (VALUES
    ('older', 1, '2026-11-24 02:00Z', '{"product_id": "A", "name": "Mouse", "price": 4, "stock": 1}'),
    ('old', 1, '2026-11-25 02:00Z', '{"product_id": "A", "name": "Mouse", "price": 5, "stock": 1}'),
    ('old', 2, '2026-11-25 02:00Z', '{"product_id": "A", "name": "Mouse", "price": 6, "stock": 1}'),
    ('old', 3, '2026-11-25 02:00Z', '{"product_id": "B", "name": null, "price": "CALL", "stock": 1}')
) AS received (batch_id, line_number, at, raw_text);
INSERT INTO product_verdicts
SELECT id, batch_id, source, ingestion_time, 1, 'A', 'Mouse', (raw_data ->> 'price')::numeric, 1, NULL,
       CASE line_number WHEN 2 THEN 'duplicate_in_batch' END
FROM raw_products WHERE batch_id IN ('older', 'old') AND line_number < 3;
INSERT INTO product_verdicts (raw_id, batch_id, source, ingestion_time, rule_version, issues)
SELECT id, batch_id, source, ingestion_time, 1, 'name_missing, price_not_a_number'
FROM raw_products WHERE batch_id = 'old' AND line_number = 3;
INSERT INTO superseded_products
SELECT raw_id, product_id, name, price, stock, source, NULL, batch_id, ingestion_time, 1, now()
FROM product_verdicts WHERE batch_id = 'older';
INSERT INTO clean_products
SELECT product_id, name, price, stock, source, NULL, batch_id, raw_id, ingestion_time, 1, now()
FROM product_verdicts WHERE batch_id = 'old' AND issues IS NULL;
INSERT INTO quarantine_products (raw_id, batch_id, source, raw_data, raw_text, issues, rule_version)
SELECT id, raw.batch_id, raw.source, raw_data, raw_text, issues, 1
FROM raw_products AS raw JOIN product_verdicts ON raw_id = id WHERE issues IS NOT NULL;
INSERT INTO batch_reports VALUES
    ('older', '2026-11-24 02:01Z', 1, 1, 0, 1, 0, 100, '{}', '{}', '{}', 'a report'),
    ('old', '2026-11-25 02:01Z', 1, 3, 1, 0, 2, 33.33, '{}', '{}', '{}', 'a report');

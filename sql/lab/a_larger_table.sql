-- A change that lab.sizes has to show.
INSERT INTO landing_products (batch_id, source, line_number, raw_text)
SELECT 'lab check', 'lab', n, repeat('x', 100) FROM generate_series(1, 2000) AS n;

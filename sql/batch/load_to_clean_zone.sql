-- Load the other valid rows of a batch (see record_superseded.sql).
INSERT INTO clean_products
    (product_id, name, price, stock, source, category, batch_id, raw_id, ingestion_time, rule_version)
SELECT
    product_id, name, price, stock, source, category, batch_id, raw_id, ingestion_time, rule_version
FROM product_verdicts AS verdict
WHERE batch_id = %(batch_id)s
  AND issues IS NULL
  AND NOT EXISTS (SELECT FROM clean_products WHERE product_id = verdict.product_id);

-- Where a row stands still, it is newer than this batch's (see load_to_clean_zone.sql).
INSERT INTO superseded_products
    (raw_id, product_id, name, price, stock, source, category, batch_id, ingestion_time, rule_version)
SELECT
    raw_id, product_id, name, price, stock, source, category, batch_id, ingestion_time, rule_version
FROM product_verdicts AS verdict
WHERE batch_id = %(batch_id)s
  AND issues IS NULL
  AND EXISTS (SELECT FROM clean_products WHERE product_id = verdict.product_id);

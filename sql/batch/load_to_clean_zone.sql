-- Of two rows of one product the newer by ingestion stands, whichever batch finishes first. Older ones
-- have made room (supersede_older.sql); where a newer one stands, this batch's was recorded as
-- superseded (record_superseded.sql). Load the others.
INSERT INTO clean_products
    (product_id, name, price, stock, source, category, batch_id, raw_id, ingestion_time, rule_version)
SELECT
    product_id, name, price, stock, source, category, batch_id, raw_id, ingestion_time, rule_version
FROM product_verdicts AS verdict
WHERE batch_id = %(batch_id)s
  AND issues IS NULL
  AND NOT EXISTS (SELECT FROM clean_products WHERE product_id = verdict.product_id);

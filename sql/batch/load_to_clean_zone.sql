-- supersede_older.sql has deleted the older rows of these products, so no ON CONFLICT is needed.
INSERT INTO clean_products
    (product_id, name, price, stock, source, category, batch_id, raw_id, ingestion_time, rule_version)
SELECT
    product_id, name, price, stock, source, category, batch_id, raw_id, ingestion_time, rule_version
FROM accepted;

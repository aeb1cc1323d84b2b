-- Room has been made (supersede_older.sql), so nothing is looked up in the table that this fills.
INSERT INTO clean_products
    (product_id, name, price, stock, source, category, batch_id, raw_id, ingestion_time, rule_version)
SELECT
    product_id, name, price, stock, source, category, batch_id, raw_id, ingestion_time, rule_version
FROM accepted;

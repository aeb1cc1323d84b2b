-- A change that lab.counts has to show.
INSERT INTO clean_products
    (product_id, name, price, stock, source, batch_id, ingestion_time, rule_version)
VALUES ('lab check', 'one more', 1, 1, 'lab', 'lab check', now(), 1);

-- Products received more than once: which row was kept, which were superseded
SELECT product_id, price, stock, source, ingestion_time, 'kept' AS state
FROM clean_products
WHERE product_id IN (SELECT product_id FROM superseded_products)
UNION ALL
SELECT product_id, price, stock, source, ingestion_time, 'superseded'
FROM superseded_products
ORDER BY product_id, ingestion_time DESC
LIMIT 20;

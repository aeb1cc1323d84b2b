-- Clean products, the most recently loaded first
SELECT product_id, name, price, stock, category, loaded_at
FROM clean_products
ORDER BY loaded_at DESC, product_id
LIMIT 10;

-- The ten most expensive products of a category
SELECT product_id, name, price FROM clean_products
WHERE category = 'kitchen' ORDER BY price DESC LIMIT 10;

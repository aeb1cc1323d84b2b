-- How prices are spread: products in each price range
SELECT lower, upper, count(product_id) AS products
FROM (VALUES (0, 10), (10, 25), (25, 50), (50, 100), (100, 250), (250, 500), (500, 1000),
             (1000, NULL)) AS range (lower, upper)
LEFT JOIN clean_products ON price >= lower AND (price < upper OR upper IS NULL)
GROUP BY lower, upper
ORDER BY lower;

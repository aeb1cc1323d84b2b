-- Price distribution: products in each range of 250 dollars
SELECT lower, nullif(lower, 2500) + 250 AS upper, count(product_id) AS products
FROM generate_series(0, 2500, 250) AS lower
LEFT JOIN clean_products ON price >= lower AND (price < lower + 250 OR lower = 2500)
GROUP BY lower
ORDER BY lower;

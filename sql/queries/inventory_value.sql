-- What the stock is worth, by category
SELECT coalesce(category, '(none)') AS category,
       count(*) AS products,
       sum(stock) AS items,
       sum(price * stock) AS value,
       round(100 * sum(price * stock) / nullif(sum(sum(price * stock)) OVER (), 0), 2) AS percent
FROM clean_products
GROUP BY category
ORDER BY value DESC;

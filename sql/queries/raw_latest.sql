-- Raw products, newest first: each field as it was received, and the zone that the row is in now
-- -> keeps a value as JSON: "$19.99" with its quotes is text, 19.99 a number, null a null.
SELECT r.id,
       left((r.raw_data -> 'product_id')::text, 60) AS product_id,
       left((r.raw_data -> 'name')::text, 60) AS name,
       left((r.raw_data -> 'price')::text, 60) AS price,
       left((r.raw_data -> 'stock')::text, 60) AS stock,
       CASE WHEN q.raw_id IS NOT NULL THEN 'quarantined'
            WHEN c.raw_id IS NOT NULL THEN 'clean'
            WHEN s.raw_id IS NOT NULL THEN 'superseded'
            ELSE 'pending' END AS state,
       q.issues,
       r.raw_text
FROM raw_products AS r
LEFT JOIN quarantine_products AS q ON q.raw_id = r.id
LEFT JOIN clean_products AS c ON c.raw_id = r.id
LEFT JOIN superseded_products AS s ON s.raw_id = r.id
ORDER BY r.id DESC
LIMIT 20;

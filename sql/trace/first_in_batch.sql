-- The accepted row of a product in a batch, for a batch that has the product more than once.
SELECT c.raw_id FROM clean_products c
WHERE c.product_id = %(product_id)s AND c.batch_id = %(batch_id)s
UNION ALL
SELECT s.raw_id FROM superseded_products s
WHERE s.product_id = %(product_id)s AND s.batch_id = %(batch_id)s
LIMIT 1;

-- The row of a batch that counts for a product, where the batch has it more than once.
SELECT c.raw_id FROM clean_products c
WHERE c.product_id = %(product_id)s AND c.batch_id = %(batch_id)s
UNION ALL
SELECT s.raw_id FROM superseded_products s
WHERE s.product_id = %(product_id)s AND s.batch_id = %(batch_id)s
LIMIT 1;

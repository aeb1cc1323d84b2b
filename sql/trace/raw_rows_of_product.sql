-- The raw rows of a product, oldest first: valid ones by their verdict, others by their raw data, which
-- quarantine still has when a batch is archived.
SELECT raw_id FROM product_verdicts WHERE product_id = %(product_id)s
UNION
SELECT id FROM raw_products WHERE raw_data ->> 'product_id' = %(product_id)s
UNION
SELECT raw_id FROM quarantine_products WHERE raw_data ->> 'product_id' = %(product_id)s
ORDER BY raw_id;

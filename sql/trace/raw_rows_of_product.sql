-- The raw rows that name a product, oldest first: valid ones by their verdict, others by their text. Those
-- of an archived batch have a verdict, but are not there.
SELECT raw_id FROM product_verdicts JOIN raw_products ON id = raw_id WHERE product_id = %(product_id)s
UNION
SELECT id FROM raw_products WHERE raw_data ->> 'product_id' = %(product_id)s
ORDER BY raw_id;

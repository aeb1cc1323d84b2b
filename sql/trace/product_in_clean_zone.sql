-- The row of the clean zone that a product has now.
SELECT raw_id, batch_id, loaded_at FROM clean_products WHERE product_id = %(product_id)s;

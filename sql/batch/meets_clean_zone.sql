-- Is any accepted product in the clean zone already? Stops at the first one found.
SELECT EXISTS (SELECT FROM accepted JOIN clean_products USING (product_id))::integer;

-- Does a product of the batch stand in the clean zone already? Stops at the first one found.
SELECT EXISTS (
    SELECT FROM product_verdicts AS verdict JOIN clean_products USING (product_id)
    WHERE verdict.batch_id = %(batch_id)s AND verdict.issues IS NULL
)::integer;

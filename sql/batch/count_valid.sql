SELECT count(*) FROM product_verdicts WHERE batch_id = %(batch_id)s AND issues IS NULL;

SELECT count(*) FROM raw_products WHERE batch_id = %(batch_id)s;

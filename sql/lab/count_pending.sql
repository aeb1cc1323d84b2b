-- Raw rows of a batch that no run has processed
SELECT count(*) FROM raw_products WHERE batch_id = %(batch_id)s AND NOT processed;

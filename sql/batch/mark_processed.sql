UPDATE raw_products SET processed = true WHERE batch_id = %(batch_id)s AND NOT processed;

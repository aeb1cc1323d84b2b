DELETE FROM archived_batches WHERE batch_id = %(batch_id)s;

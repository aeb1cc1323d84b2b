SELECT archive_batch(%(batch_id)s, %(rows)s, %(file)s, %(sha256)s);

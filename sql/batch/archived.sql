-- The file that holds the raw rows of a batch, if the batch is archived.
SELECT file, sha256 FROM archived_batches WHERE batch_id = %(batch_id)s;

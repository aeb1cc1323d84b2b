-- Every batch that has raw rows in the table or, if `archived` is true, in a file; oldest first.
SELECT batch_id FROM batches
WHERE EXISTS (SELECT FROM raw_products WHERE raw_products.batch_id = batches.batch_id)
   OR %(archived)s AND EXISTS (SELECT FROM archived_batches AS a WHERE a.batch_id = batches.batch_id)
ORDER BY product_date, ingested_at, batch_id;

-- Every batch of the raw zone, oldest first.
SELECT batch_id FROM raw_products GROUP BY batch_id ORDER BY min(ingestion_time), batch_id;

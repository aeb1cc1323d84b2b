-- Batches that were ingested at least `days` days ago and are done, oldest first. The sample batch is left
-- out, because pages show its rows.
SELECT batch_id FROM batches
WHERE ingested_at <= now() - make_interval(days => %(days)s)
  AND batch_id <> 'sample'
  AND EXISTS (SELECT FROM raw_products AS raw WHERE raw.batch_id = batches.batch_id)
  AND NOT EXISTS
      (SELECT FROM raw_products AS raw WHERE raw.batch_id = batches.batch_id AND NOT processed)
ORDER BY ingested_at, batch_id;

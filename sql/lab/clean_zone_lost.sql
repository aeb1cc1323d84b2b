-- A clean zone that was lost: was it truncated (which gives it a new file), is each validated row in a
-- zone again, and are the three example rows, which have no raw row, back too?
SELECT (SELECT relfilenode <> oid FROM pg_class WHERE oid = 'clean_products'::regclass),
       NOT EXISTS (SELECT FROM raw_products AS raw
                   WHERE processed
                     AND NOT EXISTS (SELECT FROM clean_products WHERE raw_id = raw.id)
                     AND NOT EXISTS (SELECT FROM superseded_products WHERE raw_id = raw.id)
                     AND NOT EXISTS (SELECT FROM quarantine_products WHERE raw_id = raw.id))
       AND EXISTS (SELECT FROM clean_products WHERE raw_id IS NOT NULL),
       (SELECT count(*) = 3 FROM clean_products WHERE batch_id = 'example');

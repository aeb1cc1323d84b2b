-- Where each raw product is now: the parts add up to the total
SELECT count(*) AS raw,
       count(*) FILTER (WHERE EXISTS (
           SELECT FROM clean_products AS c WHERE c.raw_id = r.id)) AS clean,
       count(*) FILTER (WHERE EXISTS (
           SELECT FROM quarantine_products AS q WHERE q.raw_id = r.id)) AS quarantined,
       count(*) FILTER (WHERE EXISTS (
           SELECT FROM superseded_products AS s WHERE s.raw_id = r.id)) AS superseded,
       count(*) FILTER (WHERE NOT processed) AS not_processed_yet
FROM raw_products AS r;

-- Where the rows of a batch are, and whether each is in exactly one zone. Counts alone would not detect
-- one row in two zones and another in none; the sum of the hashes of the ids does. For an archived batch,
-- both were stored when its raw rows were deleted.
WITH placed AS (
    SELECT 'clean' AS place, raw_id FROM clean_products WHERE batch_id = %(batch_id)s
    UNION ALL
    SELECT 'superseded', raw_id FROM superseded_products WHERE batch_id = %(batch_id)s
    UNION ALL
    SELECT 'quarantined', raw_id FROM quarantine_products WHERE batch_id = %(batch_id)s
)
SELECT raw.received, clean, superseded, quarantined, raw.ids IS NOT DISTINCT FROM zones.ids
FROM (
    SELECT sum(received)::bigint AS received, sum(ids) AS ids
    FROM (
        SELECT count(*) AS received, sum(hashint8extended(id, 0)) AS ids
        FROM raw_products
        WHERE batch_id = %(batch_id)s
        UNION ALL
        SELECT rows, ids FROM archived_batches WHERE batch_id = %(batch_id)s
    ) AS table_or_file
) AS raw
CROSS JOIN (
    SELECT count(*) FILTER (WHERE place = 'clean') AS clean,
           count(*) FILTER (WHERE place = 'superseded') AS superseded,
           count(*) FILTER (WHERE place = 'quarantined') AS quarantined,
           sum(hashint8extended(raw_id, 0)) AS ids
    FROM placed
) AS zones;

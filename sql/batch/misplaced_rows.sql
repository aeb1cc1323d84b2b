-- The first ten rows of a batch that are not in exactly one zone, each with the zones that it is in.
WITH placed AS (
    SELECT 'clean_products' AS place, raw_id FROM clean_products WHERE batch_id = %(batch_id)s
    UNION ALL
    SELECT 'superseded_products', raw_id FROM superseded_products WHERE batch_id = %(batch_id)s
    UNION ALL
    SELECT 'quarantine_products', raw_id FROM quarantine_products WHERE batch_id = %(batch_id)s
)
SELECT coalesce(raw.id, zones.raw_id), coalesce(zones.places, 'in no zone')
FROM (SELECT id FROM raw_products WHERE batch_id = %(batch_id)s) AS raw
FULL JOIN (
    SELECT raw_id, count(*) AS number, 'in ' || string_agg(place, ' and ' ORDER BY place) AS places
    FROM placed
    GROUP BY raw_id
) AS zones ON zones.raw_id = raw.id
WHERE raw.id IS NULL OR zones.number IS DISTINCT FROM 1
ORDER BY 1
LIMIT 10;

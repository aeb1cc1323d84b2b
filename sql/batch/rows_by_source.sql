-- Rows received, accepted (clean, or superseded by a newer row) and rejected, for each vendor that was read.
SELECT source, sum(received)::bigint, sum(accepted)::bigint, sum(rejected)::bigint
FROM (
    SELECT source, 0 AS received, 0 AS accepted, 0 AS rejected
    FROM extractions WHERE batch_id = %(batch_id)s AND rows IS NOT NULL
    UNION ALL
    SELECT source, count(*), 0, 0
    FROM product_verdicts WHERE batch_id = %(batch_id)s GROUP BY source
    UNION ALL
    SELECT source, 0, count(*), 0
    FROM clean_products WHERE batch_id = %(batch_id)s GROUP BY source
    UNION ALL
    SELECT source, 0, count(*), 0
    FROM superseded_products WHERE batch_id = %(batch_id)s GROUP BY source
    UNION ALL
    SELECT source, 0, 0, count(*)
    FROM quarantine_products WHERE batch_id = %(batch_id)s GROUP BY source
) AS counted
GROUP BY source
ORDER BY source COLLATE "C";

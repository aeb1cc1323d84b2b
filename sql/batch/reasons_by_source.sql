-- How often each reason code occurs, by vendor; a row may have several. Rows with equal arrays are counted
-- before the arrays are unnested.
SELECT source, reason, sum(rows)::bigint
FROM (
    SELECT source, issues, count(*) AS rows
    FROM quarantine_products
    WHERE batch_id = %(batch_id)s
    GROUP BY source, issues
) AS alike
CROSS JOIN LATERAL unnest(issues) AS reason
GROUP BY source, reason
ORDER BY source, sum(rows) DESC, reason;

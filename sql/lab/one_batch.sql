-- One batch under a newer rule version: are there two runs, is there a newer version, and does exactly one
-- run have it, in each of its rows?
WITH versions AS (
    SELECT batch_id, rule_version FROM product_verdicts
    UNION ALL SELECT batch_id, rule_version FROM clean_products WHERE raw_id IS NOT NULL
    UNION ALL SELECT batch_id, rule_version FROM superseded_products
    UNION ALL SELECT batch_id, rule_version FROM quarantine_products
),
runs AS (
    SELECT batch_id, min(rule_version) AS oldest, max(rule_version) AS newest
    FROM versions JOIN batches USING (batch_id)
    WHERE run_started_at IS NOT NULL
    GROUP BY batch_id
)
SELECT count(*) >= 2,
       max(newest) > min(oldest),
       count(*) FILTER (WHERE newest > first.version) = 1
       AND bool_and(oldest = newest)
FROM runs CROSS JOIN (SELECT min(oldest) AS version FROM runs) AS first;

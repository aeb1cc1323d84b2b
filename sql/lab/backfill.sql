-- A backfill of a week: is there one, does each of its runs have a report without missing vendors, and are
-- seven consecutive days done?
WITH backfilled AS (
    SELECT batch_id, product_date, coalesce(report.missing_sources = '{}', false) AS whole
    FROM batches LEFT JOIN batch_reports AS report USING (batch_id)
    WHERE starts_with(run_id, 'backfill__')
),
days AS (
    -- Consecutive days minus their row number give the same date (gaps and islands).
    SELECT product_date - row_number() OVER (ORDER BY product_date)::integer AS row
    FROM (SELECT DISTINCT product_date FROM backfilled WHERE whole) AS done
)
SELECT EXISTS (SELECT FROM backfilled),
       EXISTS (SELECT FROM backfilled HAVING count(*) > 0 AND bool_and(whole)),
       EXISTS (SELECT FROM days GROUP BY days.row HAVING count(*) >= 7);

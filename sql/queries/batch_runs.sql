-- The last ten runs of the DAG and their pass rate in %
SELECT reported_at, split_part(batch_id, '__', 1) AS run_type,
       received, clean, superseded, quarantined, pass_rate
FROM batch_reports
ORDER BY reported_at DESC
LIMIT 10;

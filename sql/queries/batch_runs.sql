-- The last ten batches and their pass rate in %
SELECT batch_id, reported_at, received, clean, superseded, quarantined, pass_rate
FROM batch_reports
ORDER BY reported_at DESC
LIMIT 10;

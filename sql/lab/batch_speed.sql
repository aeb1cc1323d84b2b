-- How long each run took, from its start to its report, in seconds
SELECT batch_id, received, round(extract(epoch FROM reported_at - run_started_at), 1) AS seconds
FROM batch_reports JOIN batches USING (batch_id)
WHERE run_started_at IS NOT NULL;

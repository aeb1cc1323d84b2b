-- The newest batch with this run id, how many there are, and whether the newest belongs to this run. In a
-- batch of release 1.0.0, run_due_at is NULL.
SELECT batch_id, count(*) OVER (),
       run_started_at IS NOT DISTINCT FROM %(run_started_at)s
       OR (%(cleared)s AND coalesce(run_due_at = %(due_at)s, true))
FROM batches
WHERE run_id = %(run_id)s
ORDER BY ingested_at DESC, batch_id DESC
LIMIT 1;

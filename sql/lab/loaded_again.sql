-- A task that was cleared: does a run have a report, were its rows loaded again after it (a report keeps
-- the time of the first one), and is each row in one zone, and the run in one batch?
-- Rows that were ingested after the report do not count: they were loaded for the first time.
WITH runs AS (
    SELECT report.batch_id, report.reported_at, report.received,
           (SELECT array_agg(concat_ws('/', source, line_number, raw_text) ORDER BY source, line_number)
            FROM raw_products AS r WHERE r.batch_id = report.batch_id) AS records
    FROM batch_reports AS report JOIN batches USING (batch_id)
    WHERE run_started_at IS NOT NULL
),
again AS (
    SELECT * FROM runs
    WHERE reported_at < (SELECT min(loaded_at) FROM clean_products AS c
                         WHERE c.batch_id = runs.batch_id AND ingestion_time < reported_at)
)
SELECT EXISTS (SELECT FROM runs),
       EXISTS (SELECT FROM again),
       EXISTS (SELECT FROM again
               WHERE NOT EXISTS (SELECT FROM runs WHERE records = again.records
                                                    AND batch_id <> again.batch_id)
                 AND received = (SELECT count(*) FROM clean_products AS c
                                 WHERE c.batch_id = again.batch_id)
                              + (SELECT count(*) FROM superseded_products AS s
                                 WHERE s.batch_id = again.batch_id)
                              + (SELECT count(*) FROM quarantine_products AS q
                                 WHERE q.batch_id = again.batch_id));

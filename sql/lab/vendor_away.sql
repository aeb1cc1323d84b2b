-- A vendor that did not answer: is one missing in a run, does that run's report say so, and does a
-- later run have all vendors again?
WITH missing AS (
    SELECT batch_id, source, reported_at, source = ANY (missing_sources) AS reported
    FROM extractions
    JOIN batches USING (batch_id)
    LEFT JOIN batch_reports USING (batch_id)
    WHERE rows IS NULL AND run_started_at IS NOT NULL
)
SELECT EXISTS (SELECT FROM missing),
       EXISTS (SELECT FROM missing WHERE reported),
       EXISTS (SELECT FROM missing JOIN extractions AS later USING (source)
               JOIN batch_reports AS report ON report.batch_id = later.batch_id
               WHERE reported AND report.missing_sources = '{}'
                 AND report.reported_at > missing.reported_at);

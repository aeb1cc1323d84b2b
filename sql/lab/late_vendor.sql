-- A vendor that was landed after the report of its batch: has one landed late, is its bad line in
-- quarantine, and does the report list no missing vendor now?
WITH late AS (
    SELECT batch_id, e.source, report.missing_sources
    FROM extractions AS e JOIN batch_reports AS report USING (batch_id)
    WHERE e.rows > 0 AND e.extracted_at > report.reported_at
)
SELECT EXISTS (SELECT FROM late),
       EXISTS (SELECT FROM late
               WHERE EXISTS (SELECT FROM quarantine_products AS q
                             WHERE q.batch_id = late.batch_id AND q.source = late.source)
                 AND EXISTS (SELECT FROM clean_products AS c
                             WHERE c.batch_id = late.batch_id AND c.source = late.source)),
       EXISTS (SELECT FROM late WHERE missing_sources = '{}');

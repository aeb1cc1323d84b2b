-- Two runs with one seed: is there a run, do two have the same records, and are all valid rows of the
-- older one superseded?
WITH runs AS (
    SELECT batch_id, product_date, ingested_at,
           md5(string_agg(concat_ws('/', source, line_number, raw_text), E'\n'
                          ORDER BY source, line_number)) AS records
    FROM raw_products JOIN batches USING (batch_id)
    WHERE run_started_at IS NOT NULL
    GROUP BY batch_id, product_date, ingested_at
),
pairs AS (
    SELECT older.batch_id
    FROM runs AS older JOIN runs AS newer USING (records)
    WHERE (older.product_date, older.ingested_at) < (newer.product_date, newer.ingested_at)
)
SELECT EXISTS (SELECT FROM runs),
       EXISTS (SELECT FROM pairs),
       EXISTS (SELECT FROM pairs
               WHERE EXISTS (SELECT FROM superseded_products AS s WHERE s.batch_id = pairs.batch_id)
                 AND NOT EXISTS (SELECT FROM clean_products AS c WHERE c.batch_id = pairs.batch_id));

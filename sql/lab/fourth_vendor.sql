-- A fourth vendor: has one landed, in a run with the other three, and with product ids of its own?
WITH vendors AS (
    SELECT batch_id, source,
           source NOT IN ('tech_store', 'home_goods', 'sport_shop', 'sample_vendor') AS new
    FROM extractions WHERE rows > 0
),
joined AS (
    SELECT batch_id, source FROM vendors
    JOIN batches USING (batch_id)
    JOIN batch_reports AS report USING (batch_id)
    WHERE new AND run_started_at IS NOT NULL AND report.missing_sources = '{}'
      AND 3 <= (SELECT count(*) FROM vendors AS others
                WHERE others.batch_id = vendors.batch_id AND NOT others.new)
)
SELECT EXISTS (SELECT FROM vendors WHERE new),
       EXISTS (SELECT FROM joined),
       EXISTS (SELECT FROM joined
               WHERE EXISTS (SELECT FROM clean_products AS c
                             WHERE c.batch_id = joined.batch_id AND c.source = joined.source)
                 AND NOT EXISTS (SELECT FROM product_verdicts AS its
                                 JOIN product_verdicts AS theirs USING (product_id)
                                 WHERE its.source = joined.source
                                   AND theirs.source <> joined.source));

-- A price above the 99th percentile of its category: is a row in quarantine for it, was all of history
-- re-validated by a newer rule version, and are the right rows in quarantine?
-- The percentile is over all otherwise valid prices of a category.
WITH otherwise_valid AS (
    SELECT coalesce(verdict.category, btrim(raw_data ->> 'category')) AS category,
           coalesce(verdict.price,
                    regexp_replace(raw_data ->> 'price', '[^0-9.-]', '', 'g')::numeric) AS price,
           verdict.issues IS NOT NULL AS rejected
    FROM product_verdicts AS verdict JOIN raw_products AS raw ON raw.id = verdict.raw_id
    WHERE verdict.issues IS NULL OR verdict.issues = '{price_above_category}'
),
limits AS (
    SELECT category, percentile_cont(0.99) WITHIN GROUP (ORDER BY price) AS highest
    FROM otherwise_valid
    GROUP BY category
)
SELECT EXISTS (SELECT FROM quarantine_products WHERE 'price_above_category' = ANY (issues)),
       (SELECT min(rule_version) > %(released)s FROM product_verdicts),
       NOT EXISTS (SELECT FROM otherwise_valid JOIN limits USING (category)
                   WHERE abs(price - highest) > 0.01 -- tolerates a cent of rounding
                     AND rejected <> (price > highest));

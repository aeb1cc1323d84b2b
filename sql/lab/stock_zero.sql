-- Negative stock counts as 0: does a verdict say so, is no row of any batch in quarantine for it,
-- and does each such verdict have a newer rule version than the one that rejected the row?
WITH negative AS (
    SELECT raw_data ->> 'stock' AS sent, verdict.stock, verdict.issues, verdict.rule_version
    FROM raw_products AS raw JOIN product_verdicts AS verdict ON verdict.raw_id = raw.id
    WHERE raw_data ->> 'stock' ~ '^\s*-[0-9]+\s*$'
)
SELECT EXISTS (SELECT FROM negative WHERE issues IS NULL AND stock = 0),
       NOT EXISTS (SELECT FROM quarantine_products WHERE 'stock_negative' = ANY (issues)),
       (SELECT bool_and(rule_version > %(released)s AND (issues IS NOT NULL OR stock = 0))
        FROM negative);

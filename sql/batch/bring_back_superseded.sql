-- Where a row was withdrawn, the newest of the rows that it had superseded returns to the clean zone.
ANALYZE withdrawn;

WITH newest AS (
    SELECT DISTINCT ON (product_id) superseded.raw_id
    FROM withdrawn
    JOIN superseded_products AS superseded USING (product_id)
    JOIN batches USING (batch_id)
    ORDER BY product_id, product_date DESC, ingested_at DESC, batch_id DESC
),
back AS (
    DELETE FROM superseded_products AS superseded
    USING newest
    WHERE superseded.raw_id = newest.raw_id
    RETURNING superseded.*
)
INSERT INTO clean_products
    (product_id, name, price, stock, source, category, batch_id, raw_id, ingestion_time, rule_version)
SELECT
    product_id, name, price, stock, source, category, batch_id, raw_id, ingestion_time, rule_version
FROM back;

-- Rows of the clean zone that are older than the batch's make room (see load_to_clean_zone.sql). A
-- sample row, which has no raw row, simply goes.
WITH older AS (
    DELETE FROM clean_products AS clean
    USING product_verdicts AS verdict
    WHERE verdict.batch_id = %(batch_id)s
      AND verdict.issues IS NULL
      AND clean.product_id = verdict.product_id
      AND (clean.ingestion_time, coalesce(clean.raw_id, 0))
        < (verdict.ingestion_time, verdict.raw_id)
    RETURNING clean.*
)
INSERT INTO superseded_products
    (raw_id, product_id, name, price, stock, source, category, batch_id, ingestion_time, rule_version)
SELECT
    raw_id, product_id, name, price, stock, source, category, batch_id, ingestion_time, rule_version
FROM older
WHERE raw_id IS NOT NULL;

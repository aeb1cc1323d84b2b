-- Load the valid rows of a batch. Of two rows of one product the newer by ingestion stands,
-- whichever batch finishes first; the other one is recorded as superseded.

-- Rows of the clean zone that are older than this batch's make room. (A sample row, which has no
-- raw row, simply goes.)
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

-- Where a row stands still, it is newer than this batch's.
INSERT INTO superseded_products
    (raw_id, product_id, name, price, stock, source, category, batch_id, ingestion_time, rule_version)
SELECT
    raw_id, product_id, name, price, stock, source, category, batch_id, ingestion_time, rule_version
FROM product_verdicts AS verdict
WHERE batch_id = %(batch_id)s
  AND issues IS NULL
  AND EXISTS (SELECT FROM clean_products WHERE product_id = verdict.product_id);

INSERT INTO clean_products
    (product_id, name, price, stock, source, category, batch_id, raw_id, ingestion_time, rule_version)
SELECT
    product_id, name, price, stock, source, category, batch_id, raw_id, ingestion_time, rule_version
FROM product_verdicts AS verdict
WHERE batch_id = %(batch_id)s
  AND issues IS NULL
  AND NOT EXISTS (SELECT FROM clean_products WHERE product_id = verdict.product_id);

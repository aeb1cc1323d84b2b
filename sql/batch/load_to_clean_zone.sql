-- Load the valid rows of a batch. Of two rows of one product the newer by ingestion stands,
-- whichever batch finishes first; the other one is recorded as superseded.

-- Rows in the clean zone that are older than this batch's (the sample rows, which have no raw row,
-- simply go).
INSERT INTO superseded_products
    (raw_id, product_id, name, price, stock, source, category, batch_id, ingestion_time, rule_version)
SELECT
    clean.raw_id, product_id, clean.name, clean.price, clean.stock, clean.source, clean.category,
    clean.batch_id, clean.ingestion_time, clean.rule_version
FROM product_verdicts AS verdict
JOIN clean_products AS clean USING (product_id)
WHERE verdict.batch_id = %(batch_id)s
  AND verdict.issues IS NULL
  AND clean.raw_id IS NOT NULL
  AND (clean.ingestion_time, clean.raw_id) < (verdict.ingestion_time, verdict.raw_id);

-- Rows of this batch that are older than those in the clean zone.
INSERT INTO superseded_products
    (raw_id, product_id, name, price, stock, source, category, batch_id, ingestion_time, rule_version)
SELECT
    verdict.raw_id, product_id, verdict.name, verdict.price, verdict.stock, verdict.source,
    verdict.category, verdict.batch_id, verdict.ingestion_time, verdict.rule_version
FROM product_verdicts AS verdict
JOIN clean_products AS clean USING (product_id)
WHERE verdict.batch_id = %(batch_id)s
  AND verdict.issues IS NULL
  AND (verdict.ingestion_time, verdict.raw_id) < (clean.ingestion_time, coalesce(clean.raw_id, 0));

INSERT INTO clean_products
    (product_id, name, price, stock, source, category, batch_id, raw_id, ingestion_time, rule_version)
SELECT
    product_id, name, price, stock, source, category, batch_id, raw_id, ingestion_time, rule_version
FROM product_verdicts
WHERE batch_id = %(batch_id)s AND issues IS NULL
ON CONFLICT (product_id) DO UPDATE SET
    name = excluded.name,
    price = excluded.price,
    stock = excluded.stock,
    source = excluded.source,
    category = excluded.category,
    batch_id = excluded.batch_id,
    raw_id = excluded.raw_id,
    ingestion_time = excluded.ingestion_time,
    rule_version = excluded.rule_version,
    loaded_at = now()
WHERE (clean_products.ingestion_time, coalesce(clean_products.raw_id, 0))
    < (excluded.ingestion_time, excluded.raw_id);

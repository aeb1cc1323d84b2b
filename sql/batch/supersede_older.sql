-- Any row that the clean zone still has for an accepted product is older: move it to superseded_products.
-- A sample row, which has no raw row, is only deleted.
WITH older AS (
    DELETE FROM clean_products AS standing
    USING accepted
    WHERE standing.product_id = accepted.product_id
    RETURNING standing.*
)
INSERT INTO superseded_products
    (raw_id, product_id, name, price, stock, source, category, batch_id, ingestion_time, rule_version)
SELECT
    raw_id, product_id, name, price, stock, source, category, batch_id, ingestion_time, rule_version
FROM older
WHERE raw_id IS NOT NULL;

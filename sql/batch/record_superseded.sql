-- An accepted row is superseded at once if the clean zone has the product from a newer batch: newer by
-- product_date, then by ingested_at.
WITH older AS (
    DELETE FROM accepted
    USING clean_products AS standing, batches AS its_batch, batches AS own_batch
    WHERE standing.product_id = accepted.product_id
      AND its_batch.batch_id = standing.batch_id
      AND own_batch.batch_id = accepted.batch_id
      AND (its_batch.product_date, its_batch.ingested_at, its_batch.batch_id)
        > (own_batch.product_date, own_batch.ingested_at, own_batch.batch_id)
    RETURNING accepted.*
)
INSERT INTO superseded_products
    (raw_id, product_id, name, price, stock, source, category, batch_id, ingestion_time, rule_version)
SELECT
    raw_id, product_id, name, price, stock, source, category, batch_id, ingestion_time, rule_version
FROM older;

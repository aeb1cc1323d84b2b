-- The batch's accepted rows in this slice. If a product has several valid rows, the first one by vendor and
-- line is accepted, whichever vendor landed first. A temporary table, because there are no statistics yet
-- on the verdicts that were just written: the planner would estimate only a few rows.
CREATE TEMPORARY TABLE accepted AS
SELECT DISTINCT ON (product_id)
    product_id, name, price, stock, source, category, batch_id, raw_id, ingestion_time, rule_version
FROM product_verdicts
WHERE batch_id = %(batch_id)s
  AND issues IS NULL
  AND product_part(product_id) >= %(first)s AND product_part(product_id) < %(last)s
ORDER BY product_id, source COLLATE "C", raw_id;

ANALYZE accepted;

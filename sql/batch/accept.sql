-- The rows that the batch brings to this slice: of several valid rows of a product the first one by
-- vendor and line, whichever vendor landed first. A table of its own, because the planner would know
-- nothing of verdicts that were written a moment ago, and take them for a handful.
CREATE TEMPORARY TABLE accepted AS
SELECT DISTINCT ON (product_id)
    product_id, name, price, stock, source, category, batch_id, raw_id, ingestion_time, rule_version
FROM product_verdicts
WHERE batch_id = %(batch_id)s
  AND issues IS NULL
  AND product_part(product_id) >= %(first)s AND product_part(product_id) < %(last)s
ORDER BY product_id, source COLLATE "C", raw_id;

ANALYZE accepted;

-- Delete the batch's products in this slice from the clean zone, so that its current verdicts can be loaded;
-- `withdrawn` lists the products that the clean zone lacks now.
DELETE FROM superseded_products
WHERE batch_id = %(batch_id)s
  AND product_part(product_id) >= %(first)s AND product_part(product_id) < %(last)s;

CREATE TEMPORARY TABLE withdrawn (product_id text COLLATE "C" NOT NULL);

WITH gone AS (
    DELETE FROM clean_products
    WHERE batch_id = %(batch_id)s
      AND product_part(product_id) >= %(first)s AND product_part(product_id) < %(last)s
    RETURNING product_id
)
INSERT INTO withdrawn SELECT product_id FROM gone;

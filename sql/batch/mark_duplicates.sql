-- The planner knows nothing yet of rows that came a moment ago, and would join them one by one.
ANALYZE product_verdicts;

-- Of several valid rows of one product in a batch the first one listed stands.
UPDATE product_verdicts AS verdict
SET issues = 'duplicate_in_batch'
FROM (
    SELECT raw_id, row_number() OVER (PARTITION BY product_id ORDER BY raw_id) AS place
    FROM product_verdicts
    WHERE batch_id = %(batch_id)s AND issues IS NULL
) AS listed
WHERE listed.place > 1
  AND verdict.raw_id = listed.raw_id
  AND verdict.batch_id = %(batch_id)s;

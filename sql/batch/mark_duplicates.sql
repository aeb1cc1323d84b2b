-- Of several valid rows of one product in a batch the first one listed stands. Joined by ctid, the
-- place of a row: quick at any size, though the planner has no statistics of these new rows yet.
UPDATE product_verdicts AS verdict
SET issues = 'duplicate_in_batch'
FROM (
    SELECT ctid AS row, row_number() OVER (PARTITION BY product_id ORDER BY raw_id) AS place
    FROM product_verdicts
    WHERE batch_id = %(batch_id)s AND issues IS NULL
) AS listed
WHERE listed.place > 1 AND verdict.ctid = listed.row;

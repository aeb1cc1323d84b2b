-- Replace the batch's rows in quarantine by those that its current verdicts reject, and by the valid rows
-- of a product after the first one (accept.sql). Each raw row is looked up once, by its id. OFFSET 0 is an
-- optimization fence: planned as a join, without statistics yet, all raw rows of the batch would go into a
-- hash table on disk. JIT is off because compiling would take longer than it saves.
SET LOCAL work_mem = '32MB';
SET LOCAL jit = off;

DELETE FROM quarantine_products WHERE batch_id = %(batch_id)s;

WITH rejected AS (
    SELECT raw_id, issues, rule_version
    FROM product_verdicts
    WHERE batch_id = %(batch_id)s AND issues IS NOT NULL
    UNION ALL
    SELECT raw_id, ARRAY ['duplicate_in_batch'], rule_version
    FROM (
        SELECT raw_id, rule_version,
               row_number() OVER (PARTITION BY product_id ORDER BY source COLLATE "C", raw_id) AS place
        FROM product_verdicts
        WHERE batch_id = %(batch_id)s AND issues IS NULL
    ) AS listed
    WHERE place > 1
)
INSERT INTO quarantine_products
    (raw_id, batch_id, source, raw_data, raw_text, raw_bytes, raw_size, issues, rule_version)
SELECT raw.id, raw.batch_id, raw.source, raw.raw_data, raw.raw_text, raw.raw_bytes, raw.raw_size,
       rejected.issues, rule_version
FROM rejected
CROSS JOIN LATERAL (SELECT * FROM raw_products WHERE id = rejected.raw_id OFFSET 0) AS raw;

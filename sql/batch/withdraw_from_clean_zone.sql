-- Take the batch out of the clean zone, so that its present verdicts can be loaded afresh. Where
-- a row of the batch had superseded another batch's, that one comes back.
DELETE FROM superseded_products WHERE batch_id = %(batch_id)s;

WITH restored AS (
    UPDATE clean_products AS clean
    SET name = older.name,
        price = older.price,
        stock = older.stock,
        source = older.source,
        category = older.category,
        batch_id = older.batch_id,
        raw_id = older.raw_id,
        ingestion_time = older.ingestion_time,
        rule_version = older.rule_version,
        loaded_at = now()
    FROM (
        SELECT DISTINCT ON (product_id) superseded.*
        FROM superseded_products AS superseded
        JOIN clean_products AS present USING (product_id)
        WHERE present.batch_id = %(batch_id)s
        ORDER BY product_id, superseded.ingestion_time DESC, superseded.raw_id DESC
    ) AS older
    WHERE clean.product_id = older.product_id
    RETURNING older.raw_id
)
DELETE FROM superseded_products WHERE raw_id IN (SELECT raw_id FROM restored);

DELETE FROM clean_products WHERE batch_id = %(batch_id)s;

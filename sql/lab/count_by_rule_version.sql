-- Rows of a batch that were validated by a given rule version
SELECT count(*) FROM product_verdicts
WHERE batch_id = %(batch_id)s AND rule_version = %(version)s;

-- Rows of a batch whose verdict is that of a rule version
SELECT count(*) FROM product_verdicts
WHERE batch_id = %(batch_id)s AND rule_version = %(version)s;

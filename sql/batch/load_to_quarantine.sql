-- Replace the batch's rows in quarantine by those that its present verdicts reject.
DELETE FROM quarantine_products WHERE batch_id = %(batch_id)s;

INSERT INTO quarantine_products
    (raw_id, batch_id, source, raw_data, raw_text, issues, rule_version)
SELECT raw.id, raw.batch_id, raw.source, raw.raw_data, raw.raw_text, verdict.issues, rule_version
FROM product_verdicts AS verdict
JOIN raw_products AS raw ON raw.id = verdict.raw_id
WHERE verdict.batch_id = %(batch_id)s AND verdict.issues IS NOT NULL;

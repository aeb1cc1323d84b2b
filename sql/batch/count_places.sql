-- Where the rows of a batch are.
SELECT
    (SELECT count(*) FROM clean_products WHERE batch_id = %(batch_id)s) AS clean,
    (SELECT count(*) FROM superseded_products WHERE batch_id = %(batch_id)s) AS superseded,
    (SELECT count(*) FROM quarantine_products WHERE batch_id = %(batch_id)s) AS quarantined;

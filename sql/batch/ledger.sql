-- Where the rows of a batch are: received = clean + superseded + quarantined.
SELECT
    (SELECT count(*) FROM raw_products WHERE batch_id = %(batch_id)s) AS received,
    (SELECT count(*) FROM clean_products WHERE batch_id = %(batch_id)s) AS clean,
    (SELECT count(*) FROM superseded_products WHERE batch_id = %(batch_id)s) AS superseded,
    (SELECT count(*) FROM quarantine_products WHERE batch_id = %(batch_id)s) AS quarantined;

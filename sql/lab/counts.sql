-- How many rows the three tables have.
SELECT (SELECT count(*) FROM raw_products) AS raw,
       (SELECT count(*) FROM clean_products) AS clean,
       (SELECT count(*) FROM quarantine_products) AS quarantined;

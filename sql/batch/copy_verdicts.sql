-- An empty field is NULL: no field of a valid product is the empty string.
COPY product_verdicts
    (raw_id, batch_id, source, ingestion_time, rule_version,
     product_id, name, price, stock, category, issues)
FROM STDIN (NULL '');

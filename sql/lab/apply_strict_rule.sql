-- The verdicts of a bad rule on a batch: it rejects every price above 500
UPDATE product_verdicts
SET rule_version = %(version)s,
    issues = CASE WHEN price > 500 THEN ARRAY['price_implausible'] ELSE issues END,
    product_id = CASE WHEN price > 500 THEN NULL ELSE product_id END,
    name = CASE WHEN price > 500 THEN NULL ELSE name END,
    stock = CASE WHEN price > 500 THEN NULL ELSE stock END,
    category = CASE WHEN price > 500 THEN NULL ELSE category END,
    price = CASE WHEN price > 500 THEN NULL ELSE price END
WHERE batch_id = %(batch_id)s;

-- Rows of a vendor that are rejected as price_missing although they have the price under another name
SELECT count(*) FROM quarantine_products
WHERE batch_id = %(batch_id)s AND source = %(vendor)s
  AND 'price_missing' = ANY (issues) AND raw_data ? %(field)s;

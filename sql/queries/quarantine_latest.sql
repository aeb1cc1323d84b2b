-- Rejected products, the last first, with what was received
SELECT raw_id, source, issues, left(raw_text, 90) AS received
FROM quarantine_products
ORDER BY quarantined_at DESC, raw_id
LIMIT 10;

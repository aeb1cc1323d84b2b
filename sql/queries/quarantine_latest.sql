-- Rejected records, newest first, with the beginning of what was received
SELECT raw_id, source, issues, left(raw_text, 120) AS received
FROM quarantine_products
ORDER BY quarantined_at DESC, raw_id DESC
LIMIT 10;

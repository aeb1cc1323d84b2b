-- How often each reason was given, by vendor; a row may have several reasons.
SELECT source, reason, count(*)
FROM quarantine_products
CROSS JOIN LATERAL string_to_table(issues, ', ') AS reason
WHERE batch_id = %(batch_id)s
GROUP BY source, reason
ORDER BY source, count(*) DESC, reason;

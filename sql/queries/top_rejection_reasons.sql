-- Why products were rejected: each reason with its share of all reasons
-- A row can have several reasons.
SELECT reason,
       count(*) AS rows,
       round(100.0 * count(*) / sum(count(*)) OVER (), 2) AS percent
FROM quarantine_products
CROSS JOIN LATERAL unnest(issues) AS reason
GROUP BY reason
ORDER BY rows DESC, reason;

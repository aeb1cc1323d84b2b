-- Why products were rejected: each reason with its share of all reasons
-- A row can have several reasons; they stand in one text, parted by ", ".
SELECT reason,
       count(*) AS rows,
       round(100.0 * count(*) / sum(count(*)) OVER (), 2) AS percent
FROM quarantine_products
CROSS JOIN LATERAL unnest(string_to_array(issues, ', ')) AS reason
GROUP BY reason
ORDER BY rows DESC, reason;

-- Why records were rejected: each reason with its share of all reasons
-- A record can have several reasons.
SELECT reason,
       count(*) AS readings,
       round(100.0 * count(*) / sum(count(*)) OVER (), 2) AS percent
FROM sensor_readings_invalid
CROSS JOIN LATERAL unnest(issues) AS reason
GROUP BY reason
ORDER BY readings DESC, reason;

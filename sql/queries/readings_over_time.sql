-- Readings in each 15-minute bucket of the last three hours
SELECT time_bucket('15 minutes', time) AS quarter,
       count(*) AS readings
FROM sensor_readings
WHERE time > now() - INTERVAL '3 hours'
GROUP BY quarter
ORDER BY quarter;

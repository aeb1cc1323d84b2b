-- Freshness: how long each sensor of the last week has been silent
SELECT sensor_id,
       max(time) AS last_reading,
       date_trunc('second', now() - max(time)) AS ago
FROM sensor_readings
WHERE time > now() - INTERVAL '7 days'
GROUP BY sensor_id
ORDER BY sensor_id;

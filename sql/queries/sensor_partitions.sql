-- The partition of each sensor's readings, over the last 15 minutes: the 12 busiest sensors
SELECT topic, sensor_id, partition, count(*) AS readings
FROM sensor_readings
WHERE time > now() - INTERVAL '15 minutes' AND topic IS NOT NULL
GROUP BY topic, sensor_id, partition
ORDER BY readings DESC, sensor_id
LIMIT 12;

-- Temperature of each location in 5-second buckets, over the last 15 minutes
SELECT time_bucket('5 seconds', time) AS time, location, avg(temperature) AS temperature
FROM sensor_readings
WHERE time > now() - INTERVAL '15 minutes'
GROUP BY 1, location
ORDER BY 1, location;

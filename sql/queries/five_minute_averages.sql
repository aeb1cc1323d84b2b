-- Averages of each sensor in 5-minute buckets, over the last 15 minutes
SELECT time_bucket('5 minutes', time) AS bucket,
       sensor_id,
       count(*) AS readings,
       round(avg(temperature)::numeric, 2) AS temperature,
       round(avg(humidity)::numeric, 2) AS humidity,
       round(avg(pressure)::numeric, 2) AS pressure
FROM sensor_readings
WHERE time > now() - INTERVAL '15 minutes'
GROUP BY bucket, sensor_id
ORDER BY sensor_id, bucket;

-- Late data: records that arrived more than 30 minutes after their event time, over the last day
SELECT sensor_id,
       count(*) AS late,
       min(time) AS first_received,
       max(time) AS last_received
FROM sensor_readings_invalid
WHERE time > now() - INTERVAL '1 day'
  AND 'timestamp_late' = ANY (issues)
GROUP BY sensor_id
ORDER BY sensor_id;

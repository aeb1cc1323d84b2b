-- Each sensor's temperature in °C, in 5-minute buckets over the last two hours
-- sensor_readings_5min is a continuous aggregate where the licence has them, else a plain view.
SELECT sensor_id,
       round(min(temperature)::numeric, 2) AS lowest,
       round(max(temperature)::numeric, 2) AS highest,
       array_agg(round(temperature::numeric, 2) ORDER BY bucket) AS course
FROM sensor_readings_5min
WHERE bucket > now() - INTERVAL '2 hours'
GROUP BY sensor_id
ORDER BY sensor_id;

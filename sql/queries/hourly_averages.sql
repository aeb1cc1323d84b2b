-- Hourly averages of each location over the last day
SELECT time_bucket('1 hour', time) AS hour,
       location,
       count(*) AS readings,
       round(avg(temperature)::numeric, 2) AS temperature,
       round(min(temperature)::numeric, 2) AS lowest,
       round(max(temperature)::numeric, 2) AS highest
FROM sensor_readings
WHERE time > now() - INTERVAL '1 day'
GROUP BY hour, location
ORDER BY hour, location;

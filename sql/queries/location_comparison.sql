-- Comparison of the locations over the last day
SELECT location,
       count(DISTINCT sensor_id) AS sensors,
       count(*) AS readings,
       round(avg(temperature)::numeric, 2) AS temperature,
       round(stddev(temperature)::numeric, 2) AS deviation,
       round(avg(humidity)::numeric, 2) AS humidity,
       round(avg(pressure)::numeric, 2) AS pressure
FROM sensor_readings
WHERE time > now() - INTERVAL '1 day'
GROUP BY location
ORDER BY location;

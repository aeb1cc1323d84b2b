-- Plan with a condition on time: chunks outside it are not even opened
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)
SELECT avg(temperature)
FROM sensor_readings
WHERE time > now() - INTERVAL '10 minutes';

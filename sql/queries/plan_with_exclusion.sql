-- Plan of a query for readings older than a day: today's chunk is excluded
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)
SELECT avg(temperature)
FROM sensor_readings
WHERE time < now() - INTERVAL '1 day';

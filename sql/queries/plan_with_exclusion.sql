-- Plan of a query for readings older than two days: newer chunks are excluded
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)
SELECT avg(temperature)
FROM sensor_readings
WHERE time < now() - INTERVAL '2 days';

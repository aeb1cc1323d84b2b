-- Plan of the same query without a condition on time: every chunk has to be read
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)
SELECT avg(temperature)
FROM sensor_readings;

-- Plan without a condition on time: every chunk must be read
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)
SELECT avg(temperature)
FROM sensor_readings;

-- The chunk interval of sensor_readings: how long its next chunk will be
SELECT time_interval::text FROM timescaledb_information.dimensions
WHERE hypertable_schema = 'public' AND hypertable_name = 'sensor_readings';

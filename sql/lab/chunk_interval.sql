-- How long the next chunk of the readings will be
SELECT time_interval::text FROM timescaledb_information.dimensions
WHERE hypertable_schema = 'public' AND hypertable_name = 'sensor_readings';

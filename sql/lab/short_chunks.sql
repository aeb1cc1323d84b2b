-- Chunks of the readings that are shorter than a day
SELECT count(*) FROM timescaledb_information.chunks
WHERE hypertable_schema = 'public' AND hypertable_name = 'sensor_readings'
  AND range_end - range_start < INTERVAL '1 day';

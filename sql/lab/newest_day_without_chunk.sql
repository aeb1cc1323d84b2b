-- The newest day before yesterday for which no reading is stored
SELECT max(day)::date AS day
FROM generate_series(current_date - 80, current_date - 2, INTERVAL '1 day') AS day
WHERE NOT EXISTS (
    SELECT FROM timescaledb_information.chunks
    WHERE hypertable_schema = 'public' AND hypertable_name = 'sensor_readings'
      AND range_start < day + INTERVAL '1 day' AND range_end > day);

CREATE TEMP TABLE IF NOT EXISTS staging (
    time timestamptz, sensor_id text COLLATE "C", temperature double precision,
    humidity double precision, pressure double precision, location text, extra jsonb,
    topic text, topic_id uuid, partition integer, "offset" bigint
) ON COMMIT DELETE ROWS

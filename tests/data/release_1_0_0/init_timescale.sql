-- timeseries_db: valid and invalid sensor readings, and how far the stream has been read.
-- Run by the Docker entrypoint and by local_stack; running it again changes nothing.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS timescaledb;

-- Valid readings. One sensor has one reading at one time: the unique key is what finds duplicates.
-- topic, partition and offset say where in Kafka a row came from; the sample rows have none. A topic
-- that was deleted and made anew has the same name and the same offsets, but another topic_id.
CREATE TABLE IF NOT EXISTS sensor_readings (
    time timestamptz NOT NULL,
    sensor_id text COLLATE "C" NOT NULL,
    temperature double precision NOT NULL, -- °C
    humidity double precision NOT NULL,    -- %
    pressure double precision NOT NULL,    -- hPa
    location text,
    extra jsonb,                           -- fields of the record that no rule knows
    topic text,
    topic_id uuid,
    partition integer,
    "offset" bigint,
    UNIQUE (sensor_id, time)
);
SELECT create_hypertable(
    'sensor_readings', 'time', chunk_time_interval => INTERVAL '1 day', if_not_exists => true
) \g /dev/null
-- "The newest readings" and "the last hour" of all sensors; the unique key serves one sensor.
CREATE INDEX IF NOT EXISTS sensor_readings_time_idx ON sensor_readings (time DESC);
-- For a replay, which asks for offsets. They rise as the table grows, so it is enough to note which
-- blocks hold which offsets: a few kB, where a B-tree would have an entry for every row.
CREATE INDEX IF NOT EXISTS sensor_readings_offset_idx ON sensor_readings
    USING brin ("offset" int8_minmax_multi_ops) WITH (autosummarize = on);

-- Quarantine. `time` is the record's Kafka timestamp, for what has no usable time of its own.
-- `raw` holds the bytes exactly as sent (NULL: a tombstone); `issues` holds reason codes, parted by
-- ", ": docs/streaming-bad-input.md lists them.
CREATE TABLE IF NOT EXISTS sensor_readings_invalid (
    time timestamptz NOT NULL,
    sensor_id text, -- where one could be read
    issues text NOT NULL CHECK (issues <> ''),
    raw bytea,
    key bytea,
    topic text NOT NULL,
    topic_id uuid,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    rule_version integer NOT NULL,
    UNIQUE (topic_id, partition, "offset", time)
);
SELECT create_hypertable(
    'sensor_readings_invalid', 'time',
    chunk_time_interval => INTERVAL '1 day', if_not_exists => true
) \g /dev/null
CREATE INDEX IF NOT EXISTS sensor_readings_invalid_time_idx ON sensor_readings_invalid (time DESC);

-- Records that say what a stored reading says already. With this every record of Kafka is found by its
-- offset in exactly one of three tables.
CREATE TABLE IF NOT EXISTS stream_duplicates (
    topic text NOT NULL,
    topic_id uuid NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    found_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic_id, partition, "offset")
);

-- How far each partition has been read: changed in the transaction that writes the rows, so that
-- both are there or neither. records = valid rows + invalid rows + duplicates, always.
CREATE TABLE IF NOT EXISTS stream_offsets (
    topic text NOT NULL,
    partition integer NOT NULL,
    topic_id uuid NOT NULL,               -- Kafka's own: a topic that was made anew has another
    next_offset bigint NOT NULL,          -- the first record that has not been judged yet
    records bigint NOT NULL DEFAULT 0,    -- read so far
    duplicates bigint NOT NULL DEFAULT 0, -- of these, readings that were already there
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 10); -- one small row, changed with each batch: room for HOT updates

-- Exactly 1000 readings over the last two hours, into an empty table only.
INSERT INTO sensor_readings (time, sensor_id, temperature, humidity, pressure, location)
SELECT date_trunc('milliseconds', now() - INTERVAL '7.2 seconds' * n),
       'sensor_' || (n % 3 + 1),
       round((18 + 3 * (n % 3) + 2 * sin(n / 60.0) + 0.5 * sin(n * 1.7))::numeric, 2),
       round((50 + 5 * (n % 3) + 4 * cos(n / 80.0) + sin(n * 2.3))::numeric, 2),
       round((1012 + 2 * sin(n / 150.0) + 0.3 * sin(n * 3.1))::numeric, 2),
       'warehouse_' || (ARRAY ['north', 'south', 'east'])[n % 3 + 1]
FROM generate_series(0, 999) AS n
WHERE NOT EXISTS (SELECT FROM sensor_readings);

-- What only the Timescale licence has. Under the Apache licence a plain view takes the aggregate's
-- place, so that every query runs with both.
SELECT current_setting('timescaledb.license') = 'timescale' AS licensed,
       to_regclass('sensor_readings_5min') IS NULL AS missing \gset
\if :missing
\if :licensed
CREATE MATERIALIZED VIEW sensor_readings_5min
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT time_bucket('5 minutes', time) AS bucket, sensor_id, location,
       count(*) AS readings,
       avg(temperature) AS temperature, avg(humidity) AS humidity, avg(pressure) AS pressure
FROM sensor_readings GROUP BY 1, 2, 3 WITH NO DATA;
-- A late reading may be half an hour old: refresh that far back, and a bit.
SELECT add_continuous_aggregate_policy(
    'sensor_readings_5min',
    start_offset => INTERVAL '3 hours', end_offset => INTERVAL '5 minutes',
    schedule_interval => INTERVAL '5 minutes'
) \g /dev/null
ALTER TABLE sensor_readings SET (
    timescaledb.compress, timescaledb.compress_segmentby = 'sensor_id',
    timescaledb.compress_orderby = 'time'
);
SELECT add_compression_policy('sensor_readings', INTERVAL '7 days') \g /dev/null
SELECT add_retention_policy('sensor_readings', INTERVAL '90 days') \g /dev/null
SELECT add_retention_policy('sensor_readings_invalid', INTERVAL '90 days') \g /dev/null
\else
CREATE VIEW sensor_readings_5min AS
SELECT time_bucket('5 minutes', time) AS bucket, sensor_id, location,
       count(*) AS readings,
       avg(temperature) AS temperature, avg(humidity) AS humidity, avg(pressure) AS pressure
FROM sensor_readings GROUP BY 1, 2, 3;
\endif
\endif

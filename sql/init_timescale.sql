-- timeseries_db: valid and invalid sensor readings, and how far the stream has been read.
-- Run by the Docker entrypoint and by local_stack; it is idempotent.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS timescaledb;
SET ROLE pipeline_owner; -- sql/roles.sql creates the roles

-- Which of the files in upgrades/ have been applied; a new database needs none of them.
CREATE TABLE IF NOT EXISTS schema_version (
    version integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO schema_version (version)
SELECT 3 WHERE to_regclass('sensor_readings') IS NULL AND NOT EXISTS (SELECT FROM schema_version);

-- Valid readings. A sensor has at most one reading per time: the unique constraint finds duplicates.
-- topic, partition and offset say which Kafka record a row came from; in sample rows they are NULL. A topic
-- that was deleted and recreated has the same name and the same offsets, but a different topic_id.
CREATE TABLE IF NOT EXISTS sensor_readings (
    time timestamptz NOT NULL,
    sensor_id text COLLATE "C" NOT NULL,
    temperature double precision NOT NULL, -- °C
    humidity double precision NOT NULL,    -- %
    pressure double precision NOT NULL,    -- hPa
    location text,
    extra jsonb,                           -- the record's other fields
    topic text,
    topic_id uuid,
    partition integer,
    "offset" bigint,
    UNIQUE (sensor_id, time)
);
SELECT create_hypertable(
    'sensor_readings', 'time', chunk_time_interval => INTERVAL '1 day', if_not_exists => true
) \g /dev/null
-- For the newest readings, or those of the last hour, of all sensors; the unique index serves queries for
-- one sensor.
CREATE INDEX IF NOT EXISTS sensor_readings_time_idx ON sensor_readings (time DESC);
-- For a replay, which looks up offsets. They rise as the table grows, so a BRIN index is enough: it stores
-- the offsets of each block range in a few kB, where a B-tree would have an entry for every row.
CREATE INDEX IF NOT EXISTS sensor_readings_offset_idx ON sensor_readings
    USING brin ("offset" int8_minmax_multi_ops) WITH (autosummarize = on);

-- Quarantine: the invalid records. `time` is when the record arrived, because its event time and its Kafka
-- timestamp may be wrong. `raw` and `key` are the bytes exactly as sent (raw NULL: a tombstone). `issues`
-- has the reason codes; docs/streaming-bad-input.md lists them.
CREATE TABLE IF NOT EXISTS sensor_readings_invalid (
    time timestamptz NOT NULL,
    kafka_ms bigint, -- the record's Kafka timestamp as sent, in ms since 1970; -1: none
    sensor_id text,  -- NULL if none could be read
    issues text[] NOT NULL CHECK (cardinality(issues) > 0),
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
-- For a replay, which looks for Kafka's record batches that could not be read. There are few or none.
CREATE INDEX IF NOT EXISTS sensor_readings_invalid_unread_idx
    ON sensor_readings_invalid (topic_id, partition, "offset") WHERE issues = '{unreadable_batch}';

-- Records that repeat a stored reading. With this table, the offset of each record that was read is in
-- exactly one of three tables.
CREATE TABLE IF NOT EXISTS stream_duplicates (
    topic text NOT NULL,
    topic_id uuid NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    found_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic_id, partition, "offset")
);

-- How many rows retention has deleted from each hypertable, and which: the ledger counts them as expired,
-- and a replay must not insert them again.
CREATE TABLE IF NOT EXISTS stream_expired (
    hypertable text NOT NULL,
    topic text NOT NULL,
    topic_id uuid NOT NULL,
    partition integer NOT NULL,
    records bigint NOT NULL,
    older_than timestamptz NOT NULL, -- where the last chunk that was dropped ends
    offsets int8multirange NOT NULL, -- as ranges: consecutive offsets expire together
    PRIMARY KEY (hypertable, topic_id, partition)
);

-- How far each partition has been read. Updated in the transaction that writes the rows, so both commit
-- or neither. records = valid + invalid + duplicates + expired holds after every transaction.
CREATE TABLE IF NOT EXISTS stream_offsets (
    topic text NOT NULL,
    partition integer NOT NULL,
    topic_id uuid NOT NULL,               -- assigned by Kafka: a recreated topic gets a new one
    next_offset bigint NOT NULL,          -- the offset to read next
    records bigint NOT NULL DEFAULT 0,    -- read so far
    duplicates bigint NOT NULL DEFAULT 0, -- of these, the duplicates
    updated_at timestamptz NOT NULL DEFAULT now(),
    last_offset bigint,   -- the last record that was read, and its Kafka timestamp: if the record at this
    last_kafka_ms bigint, -- offset has another timestamp now, Kafka's log was truncated and written again
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 10); -- few small rows, updated with every micro-batch: room for HOT updates

-- Sample data: 1000 readings of the last two hours, if the table is empty.
INSERT INTO sensor_readings (time, sensor_id, temperature, humidity, pressure, location)
SELECT date_trunc('milliseconds', now() - INTERVAL '7.2 seconds' * n),
       'sensor_' || (n % 3 + 1),
       round((18 + 3 * (n % 3) + 2 * sin(n / 60.0) + 0.5 * sin(n * 1.7))::numeric, 2),
       round((50 + 5 * (n % 3) + 4 * cos(n / 80.0) + sin(n * 2.3))::numeric, 2),
       round((1012 + 2 * sin(n / 150.0) + 0.3 * sin(n * 3.1))::numeric, 2),
       'warehouse_' || (ARRAY ['north', 'south', 'east'])[n % 3 + 1]
FROM generate_series(0, 999) AS n
WHERE NOT EXISTS (SELECT FROM sensor_readings);

-- Retention: count the rows of each chunk older than `keep` and drop it, in one transaction. A retention
-- policy of TimescaleDB drops chunks without counting. To run it manually, which the Apache licence allows
-- too: CALL expire(0, '{"keep": "90 days"}').
CREATE OR REPLACE PROCEDURE expire(job_id integer, config jsonb)
LANGUAGE plpgsql AS $expire$
DECLARE
    hypertable text;
    chunk record;
BEGIN
    FOREACH hypertable IN ARRAY ARRAY['sensor_readings', 'sensor_readings_invalid'] LOOP
        -- Blocks writers: a row inserted after the count would be dropped uncounted.
        EXECUTE format('LOCK TABLE %I IN SHARE ROW EXCLUSIVE MODE', hypertable);
        FOR chunk IN
            SELECT format('%I.%I', chunk_schema, chunk_name) AS name, range_end
            FROM timescaledb_information.chunks
            WHERE hypertable_schema = 'public' AND hypertable_name = hypertable
              AND range_end <= now() - (config ->> 'keep')::interval
            ORDER BY range_end
        LOOP
            EXECUTE format(
                'INSERT INTO stream_expired AS e
                 SELECT %L, topic, topic_id, partition, count(*), %L,
                        range_agg(int8range("offset", "offset" + 1))
                 FROM %s WHERE topic_id IS NOT NULL GROUP BY topic, topic_id, partition
                 ON CONFLICT (hypertable, topic_id, partition) DO UPDATE
                 SET records = e.records + excluded.records, older_than = excluded.older_than,
                     offsets = e.offsets + excluded.offsets',
                hypertable, chunk.range_end, chunk.name);
        END LOOP;
        PERFORM drop_chunks(
            hypertable::regclass, older_than => now() - (config ->> 'keep')::interval);
    END LOOP;
END $expire$;

-- Features of the Timescale licence. Under the Apache licence, a plain view replaces the continuous
-- aggregate, so the same queries run under both.
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
-- Readings may be stored weeks late, after an outage or in a replay. A refresh only recomputes buckets
-- that have changed, so its window can reach back almost as far as retention keeps chunks.
SELECT add_continuous_aggregate_policy(
    'sensor_readings_5min',
    start_offset => INTERVAL '89 days', end_offset => INTERVAL '5 minutes',
    schedule_interval => INTERVAL '5 minutes'
) \g /dev/null
ALTER TABLE sensor_readings SET (
    timescaledb.compress, timescaledb.compress_segmentby = 'sensor_id',
    timescaledb.compress_orderby = 'time'
);
SELECT add_compression_policy('sensor_readings', INTERVAL '7 days') \g /dev/null
SELECT add_job('expire', '1 day', config => '{"keep": "90 days"}') \g /dev/null
\else
CREATE VIEW sensor_readings_5min AS
SELECT time_bucket('5 minutes', time) AS bucket, sensor_id, location,
       count(*) AS readings,
       avg(temperature) AS temperature, avg(humidity) AS humidity, avg(pressure) AS pressure
FROM sensor_readings GROUP BY 1, 2, 3;
\endif
\endif

-- A replay summarizes the newest blocks in the BRIN indexes on offsets; only their owner may do that.
CREATE OR REPLACE FUNCTION summarize_offsets() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
SELECT sum(brin_summarize_new_values(c.oid)) FROM pg_class c JOIN pg_am a ON a.oid = c.relam
WHERE a.amname = 'brin' AND c.relkind = 'i' AND c.relowner = 'pipeline_owner'::regrole
$$;
REVOKE EXECUTE ON FUNCTION summarize_offsets FROM PUBLIC;
GRANT EXECUTE ON FUNCTION summarize_offsets TO pipeline_writer;

-- From release 1.0.0: the tables belong to pipeline_owner, reason codes become arrays, and retention counts
-- the rows that it deletes.
\ir ../owner.sql

CREATE TABLE schema_version (
    version integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE sensor_readings_invalid DROP CONSTRAINT sensor_readings_invalid_issues_check;
ALTER TABLE sensor_readings_invalid ALTER COLUMN issues TYPE text[] USING string_to_array(issues, ', ');
ALTER TABLE sensor_readings_invalid
    ADD CONSTRAINT sensor_readings_invalid_issues_check CHECK (cardinality(issues) > 0);
-- In release 1.0.0, `time` was the record's Kafka timestamp; in old rows it remains that.
ALTER TABLE sensor_readings_invalid ADD COLUMN kafka_ms bigint;
UPDATE sensor_readings_invalid SET kafka_ms = extract(epoch FROM time) * 1000;

-- The job below calls a procedure that the init SQL creates.
\ir ../../init_timescale.sql
SELECT current_setting('timescaledb.license') = 'timescale' AS licensed \gset
\if :licensed
SELECT remove_retention_policy('sensor_readings', if_exists => true) \g /dev/null
SELECT remove_retention_policy('sensor_readings_invalid', if_exists => true) \g /dev/null
SELECT add_job('expire', '1 day', config => '{"keep": "90 days"}') \g /dev/null
SELECT remove_continuous_aggregate_policy('sensor_readings_5min', if_exists => true) \g /dev/null
SELECT add_continuous_aggregate_policy(
    'sensor_readings_5min',
    start_offset => INTERVAL '89 days', end_offset => INTERVAL '5 minutes',
    schedule_interval => INTERVAL '5 minutes'
) \g /dev/null
\endif

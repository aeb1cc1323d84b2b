-- The tables that a consumer in the arena writes to. Those of records have no key, which would hide
-- duplicates.
CREATE TABLE readings (
    partition int,
    "offset" bigint,
    sensor_id text,
    time timestamptz,
    temperature double precision
);
CREATE TABLE rejected (partition int, "offset" bigint, raw bytea, reason text);
CREATE TABLE totals (sensor_id text PRIMARY KEY, readings bigint);
CREATE TABLE positions (partition int PRIMARY KEY, "offset" bigint);

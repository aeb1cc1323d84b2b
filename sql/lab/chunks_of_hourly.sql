-- The chunks of lab.hourly, and whether each is one hour long.
SELECT chunk_name, range_end - range_start = INTERVAL '1 hour' FROM timescaledb_information.chunks
WHERE hypertable_schema = 'lab' AND hypertable_name = 'hourly';

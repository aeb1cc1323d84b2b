-- Hypertables: tables that TimescaleDB partitions into chunks, one for each time interval
SELECT h.hypertable_name AS hypertable,
       d.time_interval::text AS chunk_interval,
       h.num_chunks AS chunks,
       h.compression_enabled AS compression,
       pg_size_pretty(hypertable_size(
           format('%I.%I', h.hypertable_schema, h.hypertable_name))) AS size
FROM timescaledb_information.hypertables AS h
JOIN timescaledb_information.dimensions AS d USING (hypertable_schema, hypertable_name)
WHERE h.hypertable_schema = 'public'
ORDER BY h.hypertable_name;

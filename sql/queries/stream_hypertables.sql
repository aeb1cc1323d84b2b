-- Hypertables: tables that TimescaleDB cuts into chunks by time
SELECT hypertable_name AS hypertable,
       num_chunks AS chunks,
       compression_enabled AS compression,
       pg_size_pretty(hypertable_size(format('%I.%I', hypertable_schema, hypertable_name))) AS size
FROM timescaledb_information.hypertables
WHERE hypertable_schema = 'public'
ORDER BY hypertable_name;

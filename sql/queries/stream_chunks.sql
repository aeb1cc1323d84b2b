-- Chunks: time range, rows and size of each, and whether it is compressed
SELECT hypertable_name AS hypertable,
       chunk_name AS chunk,
       range_start,
       range_end,
       (xpath('/row/n/text()', query_to_xml(
           format('SELECT count(*) AS n FROM %I.%I', chunk_schema, chunk_name),
           false, true, '')))[1]::text::bigint AS rows,
       pg_size_pretty(pg_total_relation_size(
           format('%I.%I', chunk_schema, chunk_name)::regclass)) AS size,
       is_compressed AS compressed
FROM timescaledb_information.chunks
WHERE hypertable_schema = 'public'
ORDER BY hypertable_name, range_start;

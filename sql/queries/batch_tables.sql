-- Tables of the database with their rows and size
-- query_to_xml runs one exact count per table; pg_class.reltuples would only be an estimate.
SELECT relname AS "table",
       (xpath('/row/n/text()', query_to_xml(
           'SELECT count(*) AS n FROM ' || oid::regclass, false, true, '')))[1]::text::bigint AS rows,
       pg_size_pretty(pg_total_relation_size(oid)) AS size
FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
ORDER BY relname;

-- How large each table is, with its indexes.
SELECT relname AS table_name, pg_total_relation_size(oid) AS bytes
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r';

-- A forgotten session that holds locks in the clean zone: run it with psql, in the background. It records
-- its pid, and how many sessions of this database had been terminated before.
DROP TABLE IF EXISTS lab.forgotten_session;
CREATE TABLE lab.forgotten_session AS
SELECT pid, backend_start, sessions_killed AS killed_before
FROM pg_stat_activity JOIN pg_stat_database USING (datname)
WHERE pid = pg_backend_pid();

BEGIN;
UPDATE clean_products SET stock = 0;
SELECT pg_sleep(3600);

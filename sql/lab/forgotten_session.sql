-- A session that somebody forgot, with a lock on the clean zone: run it by psql, in the background.
-- It notes who it is, and how many sessions of this database had been ended by others before.
DROP TABLE IF EXISTS lab.forgotten_session;
CREATE TABLE lab.forgotten_session AS
SELECT pid, backend_start, sessions_killed AS killed_before
FROM pg_stat_activity JOIN pg_stat_database USING (datname)
WHERE pid = pg_backend_pid();

BEGIN;
UPDATE clean_products SET stock = 0;
SELECT pg_sleep(3600);

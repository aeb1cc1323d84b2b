-- End the sessions that an incident has opened in this database, and wait until they are gone; if their pids
-- were not recorded, end all sessions with that application_name
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE application_name = %(program)s AND datname = current_database()
  AND (%(pids)s::integer[] IS NULL OR pid = ANY (%(pids)s::integer[]));

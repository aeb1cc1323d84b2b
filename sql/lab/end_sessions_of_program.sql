-- End the sessions of this database that an incident has begun, and wait until they are gone; all of
-- the program's if their pids were not noted
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE application_name = %(program)s AND datname = current_database()
  AND (%(pids)s::integer[] IS NULL OR pid = ANY (%(pids)s::integer[]));

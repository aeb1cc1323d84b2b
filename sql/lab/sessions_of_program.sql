-- The sessions that an incident has opened in this database
SELECT pid FROM pg_stat_activity
WHERE application_name = %(program)s AND datname = current_database()
  AND (%(pids)s::integer[] IS NULL OR pid = ANY (%(pids)s::integer[]));

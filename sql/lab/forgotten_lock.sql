-- The forgotten session (forgotten_session.sql): is its lock gone, has a session been terminated by
-- another one since, and were its changes rolled back?
SELECT NOT EXISTS (SELECT FROM pg_locks JOIN pg_stat_activity AS session USING (pid)
                   WHERE session.pid = forgotten.pid
                     AND session.backend_start = forgotten.backend_start),
       (SELECT sessions_killed FROM pg_stat_database WHERE datname = current_database())
       > killed_before,
       EXISTS (SELECT FROM clean_products WHERE stock > 0)
FROM lab.forgotten_session AS forgotten;

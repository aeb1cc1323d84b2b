-- The rows of lab.notes, and those that are older than the server's last start.
SELECT count(*), count(*) FILTER (WHERE written < pg_postmaster_start_time()) FROM lab.notes;

-- The time between the last beat before the server's last start and the first one after it.
SELECT min(at) FILTER (WHERE at > pg_postmaster_start_time())
     - max(at) FILTER (WHERE at < pg_postmaster_start_time()) FROM lab.beats;

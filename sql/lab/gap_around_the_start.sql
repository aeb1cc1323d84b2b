-- The time between the two beats around the server's last start.
SELECT min(at) FILTER (WHERE at > pg_postmaster_start_time())
     - max(at) FILTER (WHERE at < pg_postmaster_start_time()) FROM lab.beats;

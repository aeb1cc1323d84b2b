-- How many connections the server has, and how many it takes; a login that may only look sees this too
SELECT sum(numbackends)::integer AS connections,
       current_setting('max_connections')::integer AS at_most
FROM pg_stat_database;

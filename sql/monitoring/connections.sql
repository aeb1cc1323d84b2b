-- How many connections the server has, and its max_connections; needs no privileges
SELECT sum(numbackends)::integer AS connections,
       current_setting('max_connections')::integer AS at_most
FROM pg_stat_database;

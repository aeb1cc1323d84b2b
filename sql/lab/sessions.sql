-- How many sessions each login has.
SELECT usename AS login, count(*) AS sessions
FROM pg_stat_activity WHERE usename IS NOT NULL GROUP BY usename;

-- How many readings are only in lab.hourly or only in the samples.
WITH samples AS (SELECT time, sensor_id, temperature FROM sensor_readings WHERE topic IS NULL),
     hourly AS (SELECT time, sensor_id, temperature FROM lab.hourly)
SELECT (SELECT count(*) FROM (TABLE samples EXCEPT ALL TABLE hourly) AS missing)
     + (SELECT count(*) FROM (TABLE hourly EXCEPT ALL TABLE samples) AS added);

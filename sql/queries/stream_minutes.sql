-- Valid and invalid readings by the minute in which they were received, the last ten minutes
SELECT minute, count(*) FILTER (WHERE valid) AS valid, count(*) FILTER (WHERE NOT valid) AS invalid
FROM (SELECT time_bucket('1 minute', time) AS minute, true AS valid
      FROM sensor_readings WHERE time > now() - INTERVAL '10 minutes' AND topic IS NOT NULL
      UNION ALL
      SELECT time_bucket('1 minute', time), false
      FROM sensor_readings_invalid WHERE time > now() - INTERVAL '10 minutes') AS every
GROUP BY minute
ORDER BY minute;

-- Valid, invalid and duplicate readings of each minute, the last ten minutes
SELECT time_bucket('1 minute', time) AS minute,
       count(*) FILTER (WHERE verdict = 'valid') AS valid,
       count(*) FILTER (WHERE verdict = 'invalid') AS invalid,
       count(*) FILTER (WHERE verdict = 'duplicate') AS duplicate
FROM (SELECT time, 'valid' AS verdict FROM sensor_readings
      WHERE time > now() - INTERVAL '10 minutes' AND topic IS NOT NULL
      UNION ALL
      SELECT time, 'invalid' FROM sensor_readings_invalid
      WHERE time > now() - INTERVAL '10 minutes'
      UNION ALL
      SELECT found_at, 'duplicate' FROM stream_duplicates
      WHERE found_at > now() - INTERVAL '10 minutes') AS judged
GROUP BY minute
ORDER BY minute;

-- Valid, invalid and duplicate records of each minute: the last ten, and this one so far
SELECT minute,
       count(*) FILTER (WHERE verdict = 'valid') AS valid,
       count(*) FILTER (WHERE verdict = 'invalid') AS invalid,
       count(*) FILTER (WHERE verdict = 'duplicate') AS duplicate
FROM generate_series(date_trunc('minute', now()) - INTERVAL '10 minutes', now(), '1 minute') AS minute
LEFT JOIN (SELECT time, 'valid' AS verdict FROM sensor_readings
           WHERE time > now() - INTERVAL '11 minutes' AND topic IS NOT NULL
           UNION ALL
           SELECT time, 'invalid' FROM sensor_readings_invalid
           WHERE time > now() - INTERVAL '11 minutes'
           UNION ALL
           SELECT found_at, 'duplicate' FROM stream_duplicates
           WHERE found_at > now() - INTERVAL '11 minutes') AS validated
       ON date_trunc('minute', time) = minute
GROUP BY minute
ORDER BY minute;

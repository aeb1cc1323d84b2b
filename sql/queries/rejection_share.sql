-- Share of each sensor's records that was rejected, over the last day
SELECT sensor_id,
       sum(valid) AS valid,
       sum(invalid) AS invalid,
       round(100.0 * sum(invalid) / (sum(valid) + sum(invalid)), 2) AS percent_rejected
FROM (SELECT sensor_id, 1 AS valid, 0 AS invalid FROM sensor_readings
      WHERE time > now() - INTERVAL '1 day' AND topic IS NOT NULL
      UNION ALL
      SELECT coalesce(sensor_id, '(none)'), 0, 1 FROM sensor_readings_invalid
      WHERE time > now() - INTERVAL '1 day') AS validated
GROUP BY sensor_id
ORDER BY sensor_id;

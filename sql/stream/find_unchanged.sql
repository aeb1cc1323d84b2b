-- Readings in staging that are already stored with the same values.
SELECT s."offset" FROM staging s
JOIN sensor_readings r ON r.sensor_id = s.sensor_id AND r.time = s.time
WHERE r.time BETWEEN %(first)s AND %(last)s
  AND r.topic_id = s.topic_id AND r.partition = s.partition AND r."offset" = s."offset"
  AND (r.temperature, r.humidity, r.pressure, r.location, r.extra)
      IS NOT DISTINCT FROM (s.temperature, s.humidity, s.pressure, s.location, s.extra)

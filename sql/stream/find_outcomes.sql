-- What has become of the readings left in staging. Two say the same if all their values are equal:
-- numbers as doubles, `extra` as JSON, whatever the order of its keys. LIMIT makes it a look-up for each
-- of them: a join, planned without statistics, would read all that is stored between the bounds.
SELECT s.partition, s."offset",
       CASE WHEN r.time IS NULL THEN 'dropped_by_database' -- a trigger returned NULL
            WHEN (r.temperature, r.humidity, r.pressure, r.location, r.extra)
                 IS DISTINCT FROM (s.temperature, s.humidity, s.pressure, s.location, s.extra)
            THEN 'conflict'
            ELSE 'duplicate' END
FROM staging s
LEFT JOIN LATERAL (
    SELECT * FROM sensor_readings
    WHERE sensor_id = s.sensor_id AND time = s.time AND time BETWEEN %(first)s AND %(last)s
    LIMIT 1
) AS r ON true

-- Why the readings left in staging were not inserted. A duplicate has the same values as the stored reading:
-- numbers are compared as doubles, `extra` as jsonb, where the order of keys does not matter. LIMIT forces an
-- index lookup for each: a join, planned without statistics, would read all rows between the bounds.
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

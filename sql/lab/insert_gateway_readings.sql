-- Readings of a past hour, one per minute; topic is NULL, as in the sample rows
INSERT INTO sensor_readings (time, sensor_id, temperature, humidity, pressure, location)
SELECT (%(day)s::date + INTERVAL '8 hours' + INTERVAL '1 minute' * n) AT TIME ZONE 'UTC',
       %(sensor)s, 18 + n / 30.0, 50, 1012, 'warehouse_west'
FROM generate_series(0, %(readings)s - 1) AS n;

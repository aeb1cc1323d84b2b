-- How often the reading of a sensor at a time is stored
SELECT count(*) FROM sensor_readings
WHERE sensor_id = %(sensor)s AND time = %(time)s::timestamptz;

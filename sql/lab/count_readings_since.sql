-- Valid readings of a sensor that were measured after a moment
SELECT count(*) FROM sensor_readings
WHERE sensor_id = %(sensor)s AND time > %(since)s::timestamptz AND topic IS NOT NULL;

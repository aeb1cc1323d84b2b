-- Valid readings of a sensor with an event time after a given one
SELECT count(*) FROM sensor_readings
WHERE sensor_id = %(sensor)s AND time > %(since)s::timestamptz AND topic IS NOT NULL;

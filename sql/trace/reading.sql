-- The reading of a sensor at a time, and the Kafka record that it came from (NULL: a sample row).
SELECT topic, partition, "offset", tableoid::regclass::text AS chunk
FROM sensor_readings
WHERE sensor_id = %(sensor_id)s AND time = %(time)s;

DELETE FROM sensor_readings_invalid
WHERE topic_id = %(topic_id)s AND partition = %(partition)s AND "offset" = %(offset)s AND time = %(time)s

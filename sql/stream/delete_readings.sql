-- Also by sensor and time, so that a compressed chunk decompresses only the rows that match.
DELETE FROM sensor_readings
WHERE sensor_id = ANY (%(sensors)s) AND time BETWEEN %(first)s AND %(last)s
  AND topic_id = %(topic_id)s AND partition = %(partition)s AND "offset" = ANY (%(offsets)s)

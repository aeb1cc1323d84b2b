-- By sensor and time, too: in a compressed chunk only their rows are decompressed.
DELETE FROM sensor_readings
WHERE sensor_id = ANY (%(sensors)s) AND time BETWEEN %(first)s AND %(last)s
  AND topic_id = %(topic_id)s AND partition = %(partition)s AND "offset" = ANY (%(offsets)s)

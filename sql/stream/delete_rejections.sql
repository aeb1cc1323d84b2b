DELETE FROM sensor_readings_invalid
WHERE time BETWEEN %(first)s AND %(last)s
  AND topic_id = %(topic_id)s AND partition = %(partition)s AND "offset" = ANY (%(offsets)s)

SELECT "offset" FROM sensor_readings_invalid
WHERE topic_id = %(topic_id)s AND partition = %(partition)s
  AND "offset" BETWEEN %(first)s AND %(last)s

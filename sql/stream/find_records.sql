-- Where the records of a range of offsets are stored. The bounds on time enable chunk exclusion.
SELECT "offset", 'sensor_readings' AS place, time, sensor_id, NULL::text[] AS issues,
       NULL::integer AS rule_version
FROM sensor_readings
WHERE topic_id = %(topic_id)s AND partition = %(partition)s
  AND "offset" BETWEEN %(first_offset)s AND %(last_offset)s
  AND time BETWEEN %(earliest)s AND %(latest)s
UNION ALL
SELECT "offset", 'quarantine', time, sensor_id, issues, rule_version
FROM sensor_readings_invalid
WHERE topic_id = %(topic_id)s AND partition = %(partition)s
  AND "offset" BETWEEN %(first_offset)s AND %(last_offset)s
UNION ALL
SELECT "offset", 'duplicate', NULL, NULL, NULL, NULL
FROM stream_duplicates
WHERE topic_id = %(topic_id)s AND partition = %(partition)s
  AND "offset" BETWEEN %(first_offset)s AND %(last_offset)s

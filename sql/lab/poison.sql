-- Rejected records that the learner sent.
SELECT partition, "offset", raw FROM sensor_readings_invalid
WHERE topic = %(topic)s AND key = 'lab' AND 'not_json' = ANY (issues);

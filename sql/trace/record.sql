-- Where a Kafka record is stored, as a reading, a rejection or a duplicate, with its chunk and transaction.
SELECT 'sensor_readings' AS stored_in, tableoid::regclass::text AS chunk, xmin::text AS transaction,
       time, sensor_id, NULL::text[] AS issues, NULL::integer AS rule_version
FROM sensor_readings
WHERE topic = %(topic)s AND partition = %(partition)s AND "offset" = %(offset)s
UNION ALL
SELECT 'sensor_readings_invalid', tableoid::regclass::text, xmin::text,
       time, sensor_id, issues, rule_version
FROM sensor_readings_invalid
WHERE topic = %(topic)s AND partition = %(partition)s AND "offset" = %(offset)s
UNION ALL
SELECT 'stream_duplicates', NULL, xmin::text, found_at, NULL, NULL, NULL
FROM stream_duplicates
WHERE topic = %(topic)s AND partition = %(partition)s AND "offset" = %(offset)s;

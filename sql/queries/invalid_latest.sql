-- Rejected records, newest first, with the beginning of the bytes that were sent
SELECT time AS received, partition, "offset", issues, left(encode(raw, 'escape'), 110) AS raw
FROM sensor_readings_invalid
ORDER BY time DESC
LIMIT 5;

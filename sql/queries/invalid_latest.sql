-- Rejected readings, the last first, with the bytes that were sent
SELECT time AS received, sensor_id, issues, partition, "offset",
       left(encode(raw, 'escape'), 80) AS raw
FROM sensor_readings_invalid
ORDER BY time DESC
LIMIT 10;

-- Inserts the readings in staging whose key (sensor_id, time) is not stored yet; the others stay in staging.
-- Sorted, so that of two readings with the same key the one with the lower offset is stored.
WITH stored AS (
    INSERT INTO sensor_readings (time, sensor_id, temperature, humidity, pressure, location, extra,
                                 topic, topic_id, partition, "offset")
    SELECT time, sensor_id, temperature, humidity, pressure, location, extra,
           topic, topic_id, partition, "offset"
    FROM staging ORDER BY partition, "offset"
    ON CONFLICT (sensor_id, time) DO NOTHING RETURNING partition, "offset"
)
DELETE FROM staging s USING stored
WHERE s.partition = stored.partition AND s."offset" = stored."offset"

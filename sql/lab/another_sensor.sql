-- A change that views of valid readings have to show.
INSERT INTO sensor_readings
    (time, sensor_id, temperature, humidity, pressure, topic, topic_id, partition, "offset")
SELECT now(), 'lab check', 20, 50, 1013, topic, topic_id, partition, "offset"
FROM sensor_readings WHERE topic = %(topic)s LIMIT 1;

INSERT INTO sensor_readings_invalid
    (time, sensor_id, issues, raw, topic, topic_id, partition, "offset", rule_version)
VALUES (now(), 'sensor_1', 'temperature_missing, humidity_missing', '{}', 'sensor_readings_raw',
        '00000000-0000-0000-0000-000000000001', 0, 0, 1);
INSERT INTO stream_duplicates VALUES
    ('sensor_readings_raw', '00000000-0000-0000-0000-000000000001', 0, 1);
INSERT INTO stream_offsets VALUES
    ('sensor_readings_raw', 0, '00000000-0000-0000-0000-000000000001', 2, 2, 1);

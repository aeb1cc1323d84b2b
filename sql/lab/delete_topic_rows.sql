-- Delete everything that was read from a topic, and its offsets
DELETE FROM sensor_readings WHERE topic = %(topic)s;
DELETE FROM sensor_readings_invalid WHERE topic = %(topic)s;
DELETE FROM stream_duplicates WHERE topic = %(topic)s;
DELETE FROM stream_expired WHERE topic = %(topic)s;
DELETE FROM stream_offsets WHERE topic = %(topic)s;

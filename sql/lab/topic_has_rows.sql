-- Whether anything was ever read from a topic
SELECT EXISTS (SELECT FROM stream_offsets WHERE topic = %(topic)s)
       OR EXISTS (SELECT FROM stream_expired WHERE topic = %(topic)s)
       OR EXISTS (SELECT FROM stream_duplicates WHERE topic = %(topic)s)
       OR EXISTS (SELECT FROM sensor_readings WHERE topic = %(topic)s)
       OR EXISTS (SELECT FROM sensor_readings_invalid WHERE topic = %(topic)s);

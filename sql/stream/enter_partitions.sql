INSERT INTO stream_offsets (topic, partition, topic_id, next_offset) VALUES %s
ON CONFLICT DO NOTHING

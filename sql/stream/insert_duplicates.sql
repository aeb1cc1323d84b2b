INSERT INTO stream_duplicates (topic, topic_id, partition, "offset") VALUES %s

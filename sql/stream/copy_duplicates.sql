COPY stream_duplicates (topic, topic_id, partition, "offset") FROM STDIN

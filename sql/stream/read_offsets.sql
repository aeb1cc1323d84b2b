SELECT partition, topic_id::text, next_offset, last_offset, last_kafka_ms
FROM stream_offsets WHERE topic = %s

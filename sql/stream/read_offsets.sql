SELECT partition, topic_id::text, next_offset FROM stream_offsets WHERE topic = %s

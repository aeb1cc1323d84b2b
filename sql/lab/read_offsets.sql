-- The first offset of each partition that was not read yet; of a topic that was recreated, none was
SELECT partition, next_offset FROM stream_offsets
WHERE topic = %(topic)s AND topic_id = %(topic_id)s::uuid;

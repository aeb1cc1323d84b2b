-- The next offset to read in each partition; no rows if the topic was recreated
SELECT partition, next_offset FROM stream_offsets
WHERE topic = %(topic)s AND topic_id = %(topic_id)s::uuid;

-- Only if the offset is still the one that this member has read: another member may have moved it. The last
-- record that was read stays known only if it is before the new offset.
UPDATE stream_offsets
SET topic_id = %(topic_id)s, next_offset = %(next_offset)s, updated_at = now(),
    last_kafka_ms = CASE WHEN last_offset < %(next_offset)s THEN last_kafka_ms END,
    last_offset = CASE WHEN last_offset < %(next_offset)s THEN last_offset END
WHERE topic = %(topic)s AND partition = %(partition)s
  AND topic_id = %(stored_id)s AND next_offset = %(stored_offset)s

-- Only where the offset is still what this member has seen: another one may have moved it. The last
-- record before it is known only while there is one.
UPDATE stream_offsets
SET topic_id = %(topic_id)s, next_offset = %(next_offset)s, updated_at = now(),
    last_kafka_ms = CASE WHEN last_offset < %(next_offset)s THEN last_kafka_ms END,
    last_offset = CASE WHEN last_offset < %(next_offset)s THEN last_offset END
WHERE topic = %(topic)s AND partition = %(partition)s
  AND topic_id = %(stored_id)s AND next_offset = %(stored_offset)s

-- Only where the offset is still what this member has seen: another one may have been here.
UPDATE stream_offsets SET topic_id = %(topic_id)s, next_offset = %(offset)s, updated_at = now()
WHERE topic = %(topic)s AND partition = %(partition)s
  AND topic_id = %(stored_id)s AND next_offset = %(stored_offset)s

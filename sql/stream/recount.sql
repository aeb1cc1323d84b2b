UPDATE stream_offsets
SET records = records + %(records)s, duplicates = duplicates + %(duplicates)s, updated_at = now()
WHERE topic = %(topic)s AND topic_id = %(topic_id)s AND partition = %(partition)s

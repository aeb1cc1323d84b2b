DELETE FROM stream_duplicates
WHERE topic_id = %(topic_id)s AND partition = %(partition)s AND "offset" = ANY (%(offsets)s)

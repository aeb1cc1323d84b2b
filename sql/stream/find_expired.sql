-- The ranges of offsets, between two given ones, whose rows retention has deleted.
SELECT lower(part), upper(part)
FROM stream_expired e,
     unnest(e.offsets * int8multirange(int8range(%(first_offset)s, %(last_offset)s, '[]'))) AS part
WHERE e.topic_id = %(topic_id)s AND e.partition = %(partition)s

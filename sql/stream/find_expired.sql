-- Ranges of a stretch's offsets whose rows retention has taken.
SELECT lower(part), upper(part)
FROM stream_expired e,
     unnest(e.offsets * int8multirange(int8range(%(first_offset)s, %(last_offset)s, '[]'))) AS part
WHERE e.topic_id = %(topic_id)s AND e.partition = %(partition)s

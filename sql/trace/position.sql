-- How far a partition has been read.
SELECT next_offset, updated_at FROM stream_offsets
WHERE topic = %(topic)s AND partition = %(partition)s;

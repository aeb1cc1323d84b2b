-- How far each partition has been read: the offsets stored in the transactions of the rows
SELECT topic, partition, next_offset, records, duplicates, updated_at
FROM stream_offsets
ORDER BY topic, partition;

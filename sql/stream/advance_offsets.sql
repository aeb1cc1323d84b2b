UPDATE stream_offsets o
SET next_offset = new.next_offset, records = o.records + new.records,
    duplicates = o.duplicates + new.duplicates, updated_at = now()
FROM (VALUES %s) AS new (topic, partition, next_offset, records, duplicates)
WHERE o.topic = new.topic AND o.partition = new.partition

-- If only offsets without records were read, last_offset and last_kafka_ms remain.
UPDATE stream_offsets o
SET next_offset = new.next_offset, records = o.records + new.records,
    duplicates = o.duplicates + new.duplicates, updated_at = now(),
    last_offset = coalesce(new.last_offset::bigint, o.last_offset),
    last_kafka_ms = coalesce(new.last_kafka_ms::bigint, o.last_kafka_ms)
FROM (VALUES %s) AS new (topic, partition, next_offset, records, duplicates, last_offset, last_kafka_ms)
WHERE o.topic = new.topic AND o.partition = new.partition

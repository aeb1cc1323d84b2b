-- The last record that was read: it shows whether Kafka's log was truncated and written again.
ALTER TABLE stream_offsets ADD COLUMN last_offset bigint, ADD COLUMN last_kafka_ms bigint;

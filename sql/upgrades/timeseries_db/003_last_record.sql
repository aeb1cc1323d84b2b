-- The last record that was read: by it a log that was cut off and has grown again is noticed.
ALTER TABLE stream_offsets ADD COLUMN last_offset bigint, ADD COLUMN last_kafka_ms bigint;

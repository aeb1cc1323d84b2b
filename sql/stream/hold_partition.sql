-- Conflicts with the lock of retention: either this transaction waits for retention, or retention for it.
LOCK TABLE ONLY sensor_readings, ONLY sensor_readings_invalid IN ROW EXCLUSIVE MODE;
-- While this row is locked, no validator writes records of the partition.
SELECT o.next_offset, (SELECT max(older_than) FROM stream_expired)
FROM stream_offsets o
WHERE o.topic = %(topic)s AND o.topic_id = %(topic_id)s AND o.partition = %(partition)s
FOR UPDATE OF o

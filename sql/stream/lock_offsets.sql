-- Check deferred constraints now, while single rows can still be left out.
SET CONSTRAINTS ALL IMMEDIATE;
-- Sorted by partition, so that two validators lock rows in the same order and cannot deadlock.
SELECT o.partition FROM stream_offsets o
JOIN (VALUES %s) AS expected (topic, topic_id, partition, next_offset)
  ON o.topic = expected.topic AND o.topic_id = expected.topic_id::uuid
 AND o.partition = expected.partition AND o.next_offset = expected.next_offset
ORDER BY o.partition FOR UPDATE OF o

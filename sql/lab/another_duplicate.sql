-- A change that lab.records has to show.
INSERT INTO stream_duplicates (topic, topic_id, partition, "offset")
SELECT topic, topic_id, partition, next_offset
FROM stream_offsets WHERE topic = %(topic)s LIMIT 1;

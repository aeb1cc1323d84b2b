-- Of readings with the same key, the first record counts. If the stored reading has a later offset than one
-- in staging, it is deleted, and counts as a duplicate until the replay reaches it.
WITH later AS (
    DELETE FROM sensor_readings r USING staging s
    WHERE r.sensor_id = s.sensor_id AND r.time = s.time
      AND r.time BETWEEN %(first)s AND %(last)s
      AND r.topic_id = s.topic_id AND r.partition = s.partition AND r."offset" > s."offset"
    RETURNING r.topic, r.topic_id, r.partition, r."offset"
)
INSERT INTO stream_duplicates (topic, topic_id, partition, "offset")
SELECT DISTINCT topic, topic_id, partition, "offset" FROM later RETURNING "offset"

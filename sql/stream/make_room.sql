-- The first of equal readings counts. Where that is now an earlier record than the one stored, the
-- stored one makes room; it counts as a duplicate until the replay comes to it.
WITH later AS (
    DELETE FROM sensor_readings r USING staging s
    WHERE r.sensor_id = s.sensor_id AND r.time = s.time
      AND r.time BETWEEN %(first)s AND %(last)s
      AND r.topic_id = s.topic_id AND r.partition = s.partition AND r."offset" > s."offset"
    RETURNING r.topic, r.topic_id, r.partition, r."offset"
)
INSERT INTO stream_duplicates (topic, topic_id, partition, "offset")
SELECT DISTINCT topic, topic_id, partition, "offset" FROM later RETURNING "offset"

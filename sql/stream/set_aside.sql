-- Rows of a log that is gone, from an offset on that Kafka will give again. Without an upper bound: where
-- somebody has set the offset back, there are rows beyond it too, and their offsets are given again.
UPDATE sensor_readings SET topic_id = %(lost_log)s
WHERE topic_id = %(topic_id)s AND partition = %(partition)s AND "offset" >= %(begin)s;
UPDATE sensor_readings_invalid SET topic_id = %(lost_log)s
WHERE topic_id = %(topic_id)s AND partition = %(partition)s AND "offset" >= %(begin)s;
UPDATE stream_duplicates SET topic_id = %(lost_log)s
WHERE topic_id = %(topic_id)s AND partition = %(partition)s AND "offset" >= %(begin)s;
UPDATE stream_expired SET offsets = offsets - int8multirange(int8range(%(begin)s, NULL))
WHERE topic_id = %(topic_id)s AND partition = %(partition)s

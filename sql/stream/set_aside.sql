-- Give rows of a lost log a topic_id of their own, because Kafka will assign their offsets again. There is
-- no upper bound: if somebody has reset the offset, rows beyond it exist too, and are read again.
UPDATE sensor_readings SET topic_id = %(lost_log)s
WHERE topic_id = %(topic_id)s AND partition = %(partition)s AND "offset" >= %(begin)s;
UPDATE sensor_readings_invalid SET topic_id = %(lost_log)s
WHERE topic_id = %(topic_id)s AND partition = %(partition)s AND "offset" >= %(begin)s;
UPDATE stream_duplicates SET topic_id = %(lost_log)s
WHERE topic_id = %(topic_id)s AND partition = %(partition)s AND "offset" >= %(begin)s;
UPDATE stream_expired SET offsets = offsets - int8multirange(int8range(%(begin)s, NULL))
WHERE topic_id = %(topic_id)s AND partition = %(partition)s

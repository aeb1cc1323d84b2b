-- The quarantined rows that stand for the unread rest of a record batch, in a range of offsets, and the
-- nearest one before it; each with the first bytes of its batch.
SELECT "offset", time, substring(raw FROM 1 FOR 27)
FROM sensor_readings_invalid
WHERE topic_id = %(topic_id)s AND partition = %(partition)s AND issues = '{unreadable_batch}'
  AND "offset" < %(after)s
  AND "offset" >= coalesce((SELECT max("offset") FROM sensor_readings_invalid
                            WHERE topic_id = %(topic_id)s AND partition = %(partition)s
                              AND issues = '{unreadable_batch}'
                              AND "offset" < %(start)s), %(start)s)

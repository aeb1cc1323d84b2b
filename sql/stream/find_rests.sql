-- Rows that stand for the rest of a batch that could not be read, in a stretch or nearest before it:
-- with the beginning of that batch.
SELECT "offset", time, substring(raw FROM 1 FOR 27)
FROM sensor_readings_invalid
WHERE topic_id = %(topic_id)s AND partition = %(partition)s AND issues = '{unreadable_batch}'
  AND "offset" < %(after)s
  AND "offset" >= coalesce((SELECT max("offset") FROM sensor_readings_invalid
                            WHERE topic_id = %(topic_id)s AND partition = %(partition)s
                              AND issues = '{unreadable_batch}'
                              AND "offset" < %(start)s), %(start)s)

-- The ledger of the stream: read = valid + invalid + duplicate, so nothing is missing
SELECT o.topic,
       o.read,
       v.valid,
       i.invalid,
       o.duplicate,
       o.read - v.valid - i.invalid - o.duplicate AS missing
FROM (SELECT topic, sum(records)::bigint AS read, sum(duplicates)::bigint AS duplicate
      FROM stream_offsets GROUP BY topic) AS o
CROSS JOIN LATERAL (SELECT count(*) AS valid
                    FROM sensor_readings AS s WHERE s.topic = o.topic) AS v
CROSS JOIN LATERAL (SELECT count(*) AS invalid
                    FROM sensor_readings_invalid AS s WHERE s.topic = o.topic) AS i
ORDER BY o.topic;

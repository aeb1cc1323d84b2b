-- The ledger of the stream: read = valid + invalid + duplicate + expired, so nothing is missing
-- Expired records are those that retention has deleted.
SELECT o.topic,
       o.read,
       v.valid,
       i.invalid,
       o.duplicate,
       e.expired,
       o.read - v.valid - i.invalid - o.duplicate - e.expired AS missing
FROM (SELECT topic, sum(records)::bigint AS read, sum(duplicates)::bigint AS duplicate
      FROM stream_offsets GROUP BY topic) AS o
CROSS JOIN LATERAL (SELECT count(*) AS valid
                    FROM sensor_readings AS s WHERE s.topic = o.topic) AS v
CROSS JOIN LATERAL (SELECT count(*) AS invalid
                    FROM sensor_readings_invalid AS s WHERE s.topic = o.topic) AS i
CROSS JOIN LATERAL (SELECT coalesce(sum(records), 0)::bigint AS expired
                    FROM stream_expired AS s WHERE s.topic = o.topic) AS e
ORDER BY o.topic;

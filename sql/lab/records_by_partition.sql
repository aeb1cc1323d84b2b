-- Stored records of each partition: valid, invalid and duplicate.
SELECT partition, count(*) AS records
FROM (SELECT partition FROM sensor_readings WHERE topic = %(topic)s
      UNION ALL SELECT partition FROM sensor_readings_invalid WHERE topic = %(topic)s
      UNION ALL SELECT partition FROM stream_duplicates WHERE topic = %(topic)s) AS stored
GROUP BY partition;

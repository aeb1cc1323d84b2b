-- A field without a rule until now: is it stored, are its impossible values in quarantine and nowhere
-- else, and is no record missing?
SELECT (SELECT count(*) >= 10 FROM sensor_readings WHERE extra ? 'co2'),
       EXISTS (SELECT FROM sensor_readings_invalid
               WHERE 'co2_out_of_range' = ANY (issues) AND rule_version > %(released)s)
       AND NOT EXISTS (SELECT FROM sensor_readings
                       WHERE jsonb_typeof(extra -> 'co2') = 'number'
                         AND (extra ->> 'co2')::numeric NOT BETWEEN 0 AND 5000),
       (SELECT sum(next_offset) = sum(records) AND sum(records) = sum(duplicates)
             + (SELECT count(*) FROM sensor_readings WHERE topic_id IS NOT NULL)
             + (SELECT count(*) FROM sensor_readings_invalid)
             + (SELECT coalesce(sum(records), 0) FROM stream_expired)
        FROM stream_offsets);

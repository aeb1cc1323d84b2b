-- Gaps: when a sensor was silent for more than a minute, over the last day
SELECT sensor_id, silent_from, silent_until,
       date_trunc('second', silent_until - silent_from) AS silence
FROM (
    SELECT sensor_id,
           lag(time) OVER (PARTITION BY sensor_id ORDER BY time) AS silent_from,
           time AS silent_until
    FROM sensor_readings
    WHERE time > now() - INTERVAL '1 day'
) AS pairs
WHERE silent_until - silent_from > INTERVAL '1 minute'
ORDER BY silent_from, sensor_id;

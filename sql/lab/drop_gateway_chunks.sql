-- Restore the chunk interval and drop the chunks with the gateway's readings. Other readings of that day
-- move into a new chunk; the lock blocks writers meanwhile.
LOCK TABLE sensor_readings IN SHARE ROW EXCLUSIVE MODE;
SELECT set_chunk_time_interval('sensor_readings', %(interval)s::interval);
DELETE FROM sensor_readings WHERE sensor_id = %(sensor)s AND topic IS NULL
  AND time >= %(begin)s::timestamptz AND time < %(begin)s::timestamptz + INTERVAL '1 day';
CREATE TEMPORARY TABLE of_others ON COMMIT DROP AS SELECT * FROM sensor_readings
WHERE time >= %(begin)s::timestamptz AND time < %(begin)s::timestamptz + INTERVAL '1 day';
DELETE FROM sensor_readings
WHERE time >= %(begin)s::timestamptz AND time < %(begin)s::timestamptz + INTERVAL '1 day';
SELECT drop_chunks('sensor_readings', older_than => %(begin)s::timestamptz + INTERVAL '1 day',
                   newer_than => %(begin)s::timestamptz);
INSERT INTO sensor_readings SELECT * FROM of_others;

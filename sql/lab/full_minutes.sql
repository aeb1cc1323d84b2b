-- Minutes with readings in nearly every second: one that began late is none.
SELECT date_trunc('minute', time), count(*)::int FROM sensor_readings WHERE topic = %(topic)s
GROUP BY 1 HAVING count(DISTINCT date_trunc('second', time)) >= 58 ORDER BY 1;

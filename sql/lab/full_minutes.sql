-- Minutes with readings in nearly every second, so that a minute that began late does not count.
SELECT date_trunc('minute', time), count(*)::int FROM sensor_readings WHERE topic = %(topic)s
GROUP BY 1 HAVING count(DISTINCT date_trunc('second', time)) >= 58 ORDER BY 1;

-- Valid readings by the minute of their time.
SELECT date_trunc('minute', time) AS minute, count(*) AS readings
FROM sensor_readings WHERE topic = %(topic)s GROUP BY 1;

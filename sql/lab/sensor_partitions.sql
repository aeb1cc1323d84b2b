-- Which partition each sensor is in.
SELECT DISTINCT sensor_id, partition FROM sensor_readings WHERE topic = %(topic)s;

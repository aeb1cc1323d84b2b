-- How many readings of the gateway are stored
SELECT count(*) FROM sensor_readings WHERE sensor_id = %(sensor)s;

-- The ten newest readings
SELECT time, sensor_id, temperature, humidity, pressure, location
FROM sensor_readings
ORDER BY time DESC
LIMIT 10;

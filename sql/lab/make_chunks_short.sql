-- Set the chunk interval of sensor_readings to one minute; existing chunks stay as they are
SELECT set_chunk_time_interval('sensor_readings', INTERVAL '1 minute');

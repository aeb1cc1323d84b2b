-- From now on a new chunk of the readings is a minute long
SELECT set_chunk_time_interval('sensor_readings', INTERVAL '1 minute');

-- A change that lab.chunk_sizes has to show.
INSERT INTO sensor_readings (time, sensor_id, temperature, humidity, pressure)
VALUES (now() - INTERVAL '20 days', 'lab check', 20, 50, 1013);

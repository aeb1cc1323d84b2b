-- How large each chunk is, with its indexes.
SELECT chunk_name AS chunk, total_bytes AS bytes FROM chunks_detailed_size('sensor_readings');

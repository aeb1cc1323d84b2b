-- How many rejected records waited in Kafka for 30 seconds or more.
SELECT count(*) FROM sensor_readings_invalid
WHERE topic = %(topic)s AND time - to_timestamp(kafka_ms / 1000.0) >= INTERVAL '30 s';

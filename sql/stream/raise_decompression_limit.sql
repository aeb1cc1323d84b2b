-- Under the Timescale licence, chunks are compressed; moving many readings exceeds the default limit.
SELECT set_config(name, '0', true) FROM pg_settings
WHERE name = 'timescaledb.max_tuples_decompressed_per_dml_transaction'

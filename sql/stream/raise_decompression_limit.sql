-- The Timescale licence has compressed chunks; moving many readings in them needs more than its limit.
SELECT set_config(name, '0', true) FROM pg_settings
WHERE name = 'timescaledb.max_tuples_decompressed_per_dml_transaction'

-- A database that was restored: is its server on a later timeline than the first, has the stream
-- continued since it was started, and is no record missing? (A WAL file's name begins with its timeline.)
SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8) > '00000001',
       (SELECT max(updated_at) > pg_postmaster_start_time()
        FROM stream_offsets WHERE topic = %(topic)s),
       (SELECT sum(next_offset) = sum(records) AND sum(records) = sum(duplicates)
             + (SELECT count(*) FROM sensor_readings WHERE topic = %(topic)s)
             + (SELECT count(*) FROM sensor_readings_invalid WHERE topic = %(topic)s)
             + (SELECT coalesce(sum(records), 0) FROM stream_expired WHERE topic = %(topic)s)
        FROM stream_offsets WHERE topic = %(topic)s);

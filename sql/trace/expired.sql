-- What retention has deleted of a partition.
SELECT hypertable, records, older_than FROM stream_expired
WHERE topic = %(topic)s AND partition = %(partition)s;

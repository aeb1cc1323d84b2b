-- What retention has taken from a partition.
SELECT hypertable, records, older_than FROM stream_expired
WHERE topic = %(topic)s AND partition = %(partition)s;

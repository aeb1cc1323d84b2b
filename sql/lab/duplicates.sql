-- The latest duplicates.
SELECT partition, "offset" FROM stream_duplicates WHERE topic = %(topic)s
ORDER BY found_at DESC LIMIT 100;

-- How many rows of the batch were read back from the file with the same value in every column.
SELECT count(*)
FROM raw_products AS raw
JOIN read_back AS back USING (id)
WHERE raw.batch_id = %(batch_id)s AND to_jsonb(raw) = to_jsonb(back);

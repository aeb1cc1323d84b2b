-- Summarize the newest blocks in the BRIN indexes on offsets.
SELECT summarize_offsets()

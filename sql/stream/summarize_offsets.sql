-- The index of offsets learns of the rows that were written last.
SELECT summarize_offsets()

-- Held until the end of the transaction. Always taken in the order of the parts, so that two slices cannot
-- deadlock.
SELECT pg_advisory_xact_lock(hashtextextended(%(name)s || ' part ' || part, 0))
FROM generate_series(%(first)s, %(last)s - 1) AS part;

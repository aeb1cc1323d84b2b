-- Held until the end of the transaction. Always in the order of the parts, so that two slices never
-- wait for each other.
SELECT pg_advisory_xact_lock(hashtextextended(%(name)s || ' part ' || part, 0))
FROM generate_series(%(first)s, %(last)s - 1) AS part;

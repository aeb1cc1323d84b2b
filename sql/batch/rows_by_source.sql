-- For each vendor of a batch: received, accepted (clean, or superseded by a newer row), rejected.
SELECT source, count(*), count(*) FILTER (WHERE issues IS NULL), count(issues)
FROM product_verdicts
WHERE batch_id = %(batch_id)s
GROUP BY source
ORDER BY source;

-- The rows whose zone or reason codes have changed, in the order in which they were ingested.
SELECT old.batch_id, old.source, old.line_number, old.place, old.issues, new.place, new.issues
FROM places_before AS old
JOIN places_after AS new USING (raw_id)
WHERE (old.place, old.issues) IS DISTINCT FROM (new.place, new.issues)
ORDER BY raw_id;

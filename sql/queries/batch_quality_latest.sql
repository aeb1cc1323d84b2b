-- Quality of the latest batch: received = clean + superseded + quarantined; pass_rate is in %
SELECT reported_at, received, clean, superseded, quarantined, pass_rate,
       cardinality(missing_sources) AS vendors_missing
FROM batch_reports
ORDER BY reported_at DESC
LIMIT 1;

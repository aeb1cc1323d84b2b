-- Quality of the latest batch: received = clean + superseded + quarantined
SELECT batch_id, reported_at, received, clean, superseded, quarantined, pass_rate, rule_version,
       cardinality(missing_sources) AS vendors_missing
FROM batch_reports
ORDER BY reported_at DESC
LIMIT 1;

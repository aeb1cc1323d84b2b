-- reported_at remains that of the first report: a batch that is re-validated keeps its place among the runs.
INSERT INTO batch_reports
    (batch_id, rule_version, received, clean, superseded, quarantined, pass_rate, missing_sources,
     reasons, change, report)
VALUES
    (%(batch_id)s, %(rule_version)s, %(received)s, %(clean)s, %(superseded)s, %(quarantined)s,
     %(pass_rate)s, %(missing_sources)s, %(reasons)s, %(change)s, %(report)s)
ON CONFLICT (batch_id) DO UPDATE SET
    rule_version = excluded.rule_version,
    received = excluded.received,
    clean = excluded.clean,
    superseded = excluded.superseded,
    quarantined = excluded.quarantined,
    pass_rate = excluded.pass_rate,
    missing_sources = excluded.missing_sources,
    reasons = excluded.reasons,
    change = excluded.change,
    report = excluded.report;

-- Averages over the seven reports before that of this batch, or over the last seven if it has none yet.
SELECT count(*), avg(received), avg(pass_rate), avg(quarantined)
FROM (
    SELECT received, pass_rate, quarantined
    FROM batch_reports
    WHERE reported_at < coalesce(
        (SELECT reported_at FROM batch_reports WHERE batch_id = %(batch_id)s), 'infinity'
    )
    ORDER BY reported_at DESC
    LIMIT 7
) AS earlier;

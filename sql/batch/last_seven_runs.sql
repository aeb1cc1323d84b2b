-- Averages of the seven reports before this batch's own.
SELECT count(*), avg(received), avg(pass_rate), avg(quarantined)
FROM (
    SELECT received, pass_rate, quarantined
    FROM batch_reports
    WHERE reported_at < (SELECT reported_at FROM batch_reports WHERE batch_id = %(batch_id)s)
    ORDER BY reported_at DESC
    LIMIT 7
) AS earlier;

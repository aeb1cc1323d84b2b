-- When the last batch was done, in seconds since 1970; NULL before the first one
SELECT extract(epoch FROM max(reported_at))::double precision FROM batch_reports;

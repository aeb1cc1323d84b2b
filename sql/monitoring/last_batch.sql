-- When the last batch was done, in seconds since 1970; NULL if there is none yet
SELECT extract(epoch FROM max(reported_at))::double precision FROM batch_reports;

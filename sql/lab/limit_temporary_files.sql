-- Set a login's work_mem and temp_file_limit; an empty string resets it to the server's default.
-- EXECUTE, because ALTER ROLE takes no parameters.
SELECT set_config('lab.login', %(login)s, true), set_config('lab.work_mem', %(work_mem)s, true),
       set_config('lab.temp_file_limit', %(temp_file_limit)s, true);
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['work_mem', 'temp_file_limit'] LOOP
        EXECUTE format(
            'ALTER ROLE %%I SET %%I TO %%s', current_setting('lab.login'), name,
            coalesce(quote_literal(nullif(current_setting('lab.' || name), '')), 'DEFAULT'));
    END LOOP;
END $$;

-- What memory a login has for sorts, and what room on disk when that is not enough; '': the server's.
-- EXECUTE: the name of a role is no parameter of ALTER ROLE.
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

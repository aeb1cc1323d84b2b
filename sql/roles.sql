-- Roles and privileges; both servers have the same roles. The superuser, pipeline_admin, creates and
-- upgrades the databases; no script logs in as it.
--   pipeline_owner   owns the database and everything in it; has no password, so nobody logs in as it
--   pipeline_writer  the privileges of a pipeline, granted to its login (pipeline_user, timeseries_user)
--   pipeline_reader  a read-only login
-- Run as the superuser, by the Docker entrypoint and by local_stack, before the tables are created.
-- Idempotent: run again, it only sets the passwords.
SET client_min_messages = warning;
\getenv writer WRITER_USER
\getenv writer_password WRITER_PASSWORD
\getenv reader_password PIPELINE_READER_PASSWORD

SELECT format('CREATE ROLE %I', name)
FROM unnest(ARRAY ['pipeline_owner', 'pipeline_writer', 'pipeline_reader', :'writer']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

-- LOGIN, because TimescaleDB runs a job (compression, retention) as its owner, which must be able to log in.
ALTER ROLE pipeline_owner LOGIN PASSWORD NULL;
ALTER ROLE :"writer" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'writer_password';
GRANT pipeline_writer TO :"writer";
ALTER ROLE pipeline_reader LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE
    CONNECTION LIMIT 20 PASSWORD :'reader_password';

-- Against accidents: a session can override these settings.
ALTER ROLE pipeline_reader SET default_transaction_read_only = on;
ALTER ROLE pipeline_reader SET statement_timeout = '30s';
ALTER ROLE pipeline_reader SET lock_timeout = '5s';
ALTER ROLE pipeline_reader SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE pipeline_reader SET work_mem = '16MB';
-- Only a superuser can change this one.
ALTER ROLE pipeline_reader SET temp_file_limit = '256MB';

-- By default every role may connect to every database; here each database admits only its own.
ALTER DATABASE :"DBNAME" OWNER TO pipeline_owner;
REVOKE ALL ON DATABASE :"DBNAME", postgres, template1 FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE :"DBNAME" TO pipeline_writer;
GRANT CONNECT ON DATABASE :"DBNAME" TO pipeline_reader;

-- For every table that the owner creates from now on. Where a pipeline needs less, the init SQL revokes it.
ALTER DEFAULT PRIVILEGES FOR ROLE pipeline_owner GRANT SELECT ON TABLES TO pipeline_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE pipeline_owner
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO pipeline_writer;

-- A place for a learner's own views and tables: docs/lab.md.
CREATE SCHEMA IF NOT EXISTS lab AUTHORIZATION pipeline_owner;
GRANT USAGE, CREATE ON SCHEMA lab TO pipeline_writer;
GRANT USAGE ON SCHEMA lab TO pipeline_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE :"writer" IN SCHEMA lab GRANT SELECT ON TABLES TO pipeline_reader;

-- By default every role may also take the advisory locks that the batch pipeline uses, and create large
-- objects.
SELECT format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', oid::regprocedure),
       format('GRANT EXECUTE ON FUNCTION %s TO pipeline_writer', oid::regprocedure)
FROM pg_proc
WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ '^pg_(try_)?advisory_' \gexec
SELECT format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', oid::regprocedure)
FROM pg_proc
WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ '^(lo_|loread|lowrite)' \gexec

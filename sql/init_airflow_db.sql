-- Airflow's own database, with a login that can do nothing but use it.
-- Run by psql as the superuser; running it again changes nothing but the password.

\set airflow_db_password airflow_pass
\getenv airflow_db_password AIRFLOW_DB_PASSWORD

SELECT 'CREATE ROLE airflow_user LOGIN'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'airflow_user') \gexec

ALTER ROLE airflow_user PASSWORD :'airflow_db_password';

SELECT 'CREATE DATABASE airflow_db OWNER airflow_user'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'airflow_db') \gexec

-- By default every role may connect to every database; here each database admits only its own.
REVOKE CONNECT ON DATABASE airflow_db FROM PUBLIC;

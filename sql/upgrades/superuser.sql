-- In release 1.0.0 the pipeline's own login was the superuser. It is renamed to pipeline_admin, so that
-- roles.sql can recreate the login with fewer privileges. A session cannot rename its own role: a second
-- superuser does it. Run as the old login; safe to run again after an interruption at any point.
\getenv writer WRITER_USER
\getenv writer_password WRITER_PASSWORD
\getenv admin_password PIPELINE_ADMIN_PASSWORD
SELECT 'CREATE ROLE upgrade_superuser'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'upgrade_superuser') \gexec
ALTER ROLE upgrade_superuser SUPERUSER LOGIN PASSWORD :'writer_password';
\connect - upgrade_superuser
-- One transaction: with the new name and the old password, nobody could log in.
BEGIN;
ALTER ROLE :"writer" RENAME TO pipeline_admin;
ALTER ROLE pipeline_admin PASSWORD :'admin_password';
COMMIT;

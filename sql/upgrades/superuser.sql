-- In release 1.0.0 the pipeline's own login was the superuser. It becomes pipeline_admin, so that
-- roles.sql can make the login again with fewer rights. A session cannot rename itself: a second
-- superuser does it. Run as the old login; it may be repeated at any point.
\getenv writer WRITER_USER
\getenv writer_password WRITER_PASSWORD
\getenv admin_password PIPELINE_ADMIN_PASSWORD
SELECT 'CREATE ROLE upgrade_superuser'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'upgrade_superuser') \gexec
ALTER ROLE upgrade_superuser SUPERUSER LOGIN PASSWORD :'writer_password';
\connect - upgrade_superuser
-- Both or neither: with its new name and its old password nobody could log in as it.
BEGIN;
ALTER ROLE :"writer" RENAME TO pipeline_admin;
ALTER ROLE pipeline_admin PASSWORD :'admin_password';
COMMIT;

-- The role analyst: can it log in, can it read clean_products, and has it no other privileges?
SELECT rolcanlogin AND has_database_privilege(role.oid, current_database(), 'CONNECT'),
       has_table_privilege(role.oid, 'clean_products', 'SELECT'),
       NOT (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)
       AND NOT EXISTS (SELECT FROM pg_auth_members WHERE member = role.oid)
       AND NOT EXISTS (
           SELECT FROM pg_class AS relation
           CROSS JOIN unnest('{SELECT, INSERT, UPDATE, DELETE, TRUNCATE}'::text[]) AS privilege
           WHERE relation.relnamespace = 'public'::regnamespace AND relation.relkind IN ('r', 'v', 'm')
             AND has_table_privilege(role.oid, relation.oid, privilege)
             AND (relation.relname, privilege) <> ('clean_products', 'SELECT'))
FROM pg_roles AS role
WHERE rolname = 'analyst';

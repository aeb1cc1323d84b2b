-- Objects that an older release created as the superuser now belong to pipeline_owner, with the privileges
-- that roles.sql grants by default; the init SQL, which runs next, revokes some of them.
SELECT format('ALTER %s %s OWNER TO pipeline_owner',
              CASE WHEN relkind = 'r' THEN 'TABLE'
                   -- the one view of timeseries_db, which is a continuous aggregate if it can be
                   WHEN current_setting('timescaledb.license', true) = 'timescale'
                       THEN 'MATERIALIZED VIEW'
                   ELSE 'VIEW' END, oid::regclass)
FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')
  AND relowner <> 'pipeline_owner'::regrole \gexec
SELECT format('ALTER ROUTINE %s OWNER TO pipeline_owner', p.oid::regprocedure)
FROM pg_proc AS p
WHERE pronamespace = 'public'::regnamespace AND proowner <> 'pipeline_owner'::regrole
  AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = p.oid AND deptype = 'e') \gexec
SET ROLE pipeline_owner;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO pipeline_reader;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO pipeline_writer;

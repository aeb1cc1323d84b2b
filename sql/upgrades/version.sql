-- The version of the schema; release 1.0.0 had version 1 and no table to say so.
SELECT to_regclass('schema_version') IS NOT NULL AS versioned \gset
\if :versioned
SELECT coalesce(max(version), 1) FROM schema_version;
\else
SELECT 1;
\endif

-- The schema version; release 1.0.0 is version 1 and has no table for it.
SELECT to_regclass('schema_version') IS NOT NULL AS versioned \gset
\if :versioned
SELECT coalesce(max(version), 1) FROM schema_version;
\else
SELECT 1;
\endif

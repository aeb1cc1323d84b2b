-- From release 1.0.0: reason codes become arrays, and each batch gets a row with its product_date.
\ir ../owner.sql

CREATE TABLE schema_version (
    version integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE product_verdicts ALTER COLUMN issues TYPE text[] USING string_to_array(issues, ', ');
-- Which of several valid rows is kept is now decided when they are loaded, not in their verdicts.
UPDATE product_verdicts SET issues = NULL WHERE issues = '{duplicate_in_batch}';

ALTER TABLE quarantine_products DROP CONSTRAINT quarantine_products_issues_check;
ALTER TABLE quarantine_products ALTER COLUMN issues TYPE text[] USING string_to_array(issues, ', ');
ALTER TABLE quarantine_products ADD CONSTRAINT quarantine_products_issues_check CHECK (issues <> '{}');

CREATE TABLE batches (
    batch_id text PRIMARY KEY,
    run_id text NOT NULL,
    run_due_at timestamptz,
    run_started_at timestamptz,
    product_date date NOT NULL,
    ingested_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO batches (batch_id, run_id, product_date, ingested_at)
SELECT batch_id, batch_id, (min(ingestion_time) AT TIME ZONE 'UTC')::date, min(ingestion_time)
FROM raw_products
WHERE batch_id <> 'sample'
GROUP BY batch_id;

-- A record that text cannot store is kept as bytes.
ALTER TABLE landing_products ADD COLUMN raw_bytes bytea, ADD COLUMN raw_size bigint;
ALTER TABLE raw_products ADD COLUMN raw_bytes bytea, ADD COLUMN raw_size bigint;
ALTER TABLE quarantine_products ADD COLUMN raw_bytes bytea, ADD COLUMN raw_size bigint;

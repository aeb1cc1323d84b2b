-- pipeline_db: the raw zone, the clean zone and quarantine of the batch pipeline.
-- Run by the Docker entrypoint and by local_stack; it is idempotent.
SET client_min_messages = warning;
SET ROLE pipeline_owner; -- sql/roles.sql creates the roles; their privileges on the tables are at the end

-- Which of the files in upgrades/ have been applied; a new database needs none of them.
CREATE TABLE IF NOT EXISTS schema_version (
    version integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO schema_version (version)
SELECT 3 WHERE to_regclass('raw_products') IS NULL AND NOT EXISTS (SELECT FROM schema_version);

-- One row for each batch. If two batches hold the same product, the row of the newer batch is kept: newer
-- by product_date, then by ingested_at. So a backfill of past days does not overwrite newer products.
CREATE TABLE IF NOT EXISTS batches (
    batch_id text PRIMARY KEY,
    run_id text NOT NULL, -- Airflow reuses the id of a deleted run; then two batches have the same run_id
    run_due_at timestamptz, -- this and run_started_at tell which of the two belongs to a run
    run_started_at timestamptz,
    product_date date NOT NULL, -- the run's logical date
    ingested_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS batches_run ON batches (run_id);

-- The landing table: what a vendor sent, until load_to_raw_zone moves it on. A table and not a file,
-- because the next task may run on another machine. It is read in primary key order, without a sort.
CREATE TABLE IF NOT EXISTS landing_products (
    batch_id text NOT NULL,
    source text COLLATE "C" NOT NULL,
    line_number integer NOT NULL,
    landed_at timestamptz NOT NULL DEFAULT now(),
    raw_text text NOT NULL,
    raw_bytes bytea,
    raw_size bigint,
    PRIMARY KEY (batch_id, source, line_number)
);

-- One row for each vendor of a batch; `rows` stays NULL if the vendor could not be read.
CREATE TABLE IF NOT EXISTS extractions (
    batch_id text NOT NULL,
    source text NOT NULL,
    rows integer,
    extracted_at timestamptz,
    PRIMARY KEY (batch_id, source)
);

-- The raw zone: every record exactly as received, never changed; rows are deleted only once they are
-- archived. Half of each page is left free, so that setting `processed` can be a HOT update.
CREATE TABLE IF NOT EXISTS raw_products (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch_id text NOT NULL,
    source text NOT NULL,
    line_number integer NOT NULL,
    ingestion_time timestamptz NOT NULL DEFAULT now(),
    raw_text text NOT NULL, -- the record; if raw_bytes is not NULL, a readable form of it
    raw_bytes bytea, -- the record, if text cannot store it: not UTF-8, with a NUL, or too large
    raw_size bigint, -- bytes received, if raw_bytes holds only the first 1,048,577 of them
    raw_data jsonb, -- NULL if PostgreSQL cannot store the record as jsonb
    processed boolean NOT NULL DEFAULT false,
    UNIQUE (batch_id, source, line_number)
) WITH (fillfactor = 50);

-- Batches whose raw rows are in a file (batch_pipeline/archive.py), with what the ledger needs to know.
CREATE TABLE IF NOT EXISTS archived_batches (
    batch_id text PRIMARY KEY,
    rows bigint NOT NULL,
    ids numeric NOT NULL, -- the sum of the hashes of the rows' ids
    file text NOT NULL,
    sha256 text NOT NULL, -- of the file
    archived_at timestamptz NOT NULL DEFAULT now()
);

-- The verdict of the rules on each raw row, with its fields normalized.
CREATE TABLE IF NOT EXISTS product_verdicts (
    raw_id bigint NOT NULL,
    batch_id text NOT NULL,
    source text NOT NULL,
    ingestion_time timestamptz NOT NULL,
    rule_version integer NOT NULL,
    product_id text COLLATE "C",
    name text,
    price numeric,
    stock integer,
    category text,
    issues text[] -- reason codes; NULL: the row is valid
);
-- A B-tree, although a BRIN index has a tenth of its size: each query would read every block that autovacuum
-- has not summarized yet, and without statistics the planner would choose a sequential scan.
CREATE INDEX IF NOT EXISTS product_verdicts_batch ON product_verdicts (batch_id);

-- The clean zone: the newest valid row of each product (see batches). Prices are in US dollars.
CREATE TABLE IF NOT EXISTS clean_products (
    product_id text COLLATE "C" PRIMARY KEY,
    name text NOT NULL CHECK (name <> ''),
    price numeric(12, 2) NOT NULL CHECK (price > 0),
    stock integer NOT NULL CHECK (stock >= 0),
    source text NOT NULL,
    category text,
    batch_id text NOT NULL,
    raw_id bigint, -- NULL: a sample row, inserted below
    ingestion_time timestamptz NOT NULL,
    rule_version integer NOT NULL,
    loaded_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS clean_products_batch ON clean_products (batch_id);

-- Valid rows that a newer row of the same product has replaced; they return if that row is withdrawn.
CREATE TABLE IF NOT EXISTS superseded_products (
    raw_id bigint NOT NULL,
    product_id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    price numeric(12, 2) NOT NULL,
    stock integer NOT NULL,
    source text NOT NULL,
    category text,
    batch_id text NOT NULL,
    ingestion_time timestamptz NOT NULL,
    rule_version integer NOT NULL,
    superseded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (raw_id)
);
CREATE INDEX IF NOT EXISTS superseded_products_batch ON superseded_products (batch_id);
CREATE INDEX IF NOT EXISTS superseded_products_product ON superseded_products (product_id);

-- Quarantine: the rejected rows. `issues` has all their reason codes; docs/batch-bad-input.md lists them.
CREATE TABLE IF NOT EXISTS quarantine_products (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    raw_id bigint NOT NULL,
    batch_id text NOT NULL,
    source text NOT NULL,
    raw_data jsonb,
    raw_text text NOT NULL,
    raw_bytes bytea,
    raw_size bigint,
    issues text[] NOT NULL CHECK (issues <> '{}'),
    rule_version integer NOT NULL,
    quarantined_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (raw_id)
);
CREATE INDEX IF NOT EXISTS quarantine_products_batch ON quarantine_products (batch_id);

-- One quality report for each batch. received = clean + superseded + quarantined.
CREATE TABLE IF NOT EXISTS batch_reports (
    batch_id text PRIMARY KEY,
    reported_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    rule_version integer NOT NULL,
    received integer NOT NULL,
    clean integer NOT NULL,
    superseded integer NOT NULL,
    quarantined integer NOT NULL,
    pass_rate numeric(5, 2), -- accepted rows, in % of those received; NULL if none was received
    missing_sources text[] NOT NULL,
    reasons jsonb NOT NULL, -- {vendor: {reason: rows}}
    change jsonb NOT NULL, -- {runs: number of earlier runs, up to 7; figure: difference from their average}
    report text NOT NULL -- as printed
);

-- The text as jsonb; NULL if PostgreSQL cannot store it (not JSON, a NUL, nested too deeply), or if
-- its output would be huge: the eight characters 1e131071 become 131,072 digits.
CREATE OR REPLACE FUNCTION jsonb_or_null(raw_text text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    IF raw_text ~ '[0-9][eE][-+]?[0-9]{4}' THEN
        RETURN NULL;
    END IF;
    RETURN raw_text::jsonb;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    RETURN NULL;
END $$;

-- Large batches are processed in slices. Each raw row and each product belongs to one of 64 parts.
CREATE OR REPLACE FUNCTION raw_part(raw_id bigint) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT (raw_id / 100 % 64)::integer $$; -- a hundred consecutive rows, which share pages

CREATE OR REPLACE FUNCTION product_part(product_id text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT (hashtextextended(product_id, 0) & 63)::integer $$;

-- Sample data: four raw rows that are not validated yet (to validate them:
-- python batch_pipeline/reprocess.py sample), and three clean products.
INSERT INTO batches (batch_id, run_id, product_date)
VALUES ('sample', 'sample', '2026-01-01'), ('example', 'example', '2026-01-01')
ON CONFLICT DO NOTHING;

INSERT INTO raw_products (batch_id, source, line_number, raw_text, raw_data)
SELECT 'sample', 'sample_vendor', line_number, raw_text, raw_text::jsonb
FROM (VALUES
    (1, '{"product_id": "SAMPLE-001", "name": "Wireless Mouse", "price": 24.99, "stock": 150, "category": "accessories"}'),
    (2, '{"product_id": "SAMPLE-002", "name": "USB-C Cable", "price": "$19.99", "stock": 75, "category": "accessories"}'),
    (3, '{"product_id": "SAMPLE-003", "name": null, "price": "CALL", "stock": "-1", "category": "displays"}'),
    (4, '{"product_id": "SAMPLE-001", "name": "Wireless Mouse", "price": 24.99, "stock": 150, "category": "accessories"}')
) AS sample (line_number, raw_text)
ON CONFLICT DO NOTHING;

INSERT INTO clean_products
    (product_id, name, price, stock, source, category, batch_id, ingestion_time, rule_version)
VALUES
    ('EXAMPLE-001', 'Mechanical Keyboard', 89.90, 40, 'sample_vendor', 'accessories', 'example', now(), 1),
    ('EXAMPLE-002', '27" Monitor', 249.00, 12, 'sample_vendor', 'displays', 'example', now(), 1),
    ('EXAMPLE-003', 'Laptop Stand', 35.50, 0, 'sample_vendor', 'accessories', 'example', now(), 1)
ON CONFLICT DO NOTHING;

-- The raw zone is append-only: pipeline_writer may insert rows and mark them as processed, nothing else.
REVOKE UPDATE, DELETE ON raw_products FROM pipeline_writer;
GRANT UPDATE (processed) ON raw_products TO pipeline_writer;

-- The one exception: deletes all raw rows of a batch at once, if they are processed and as many as the
-- file has. SECURITY DEFINER: it runs with the owner's privileges.
CREATE OR REPLACE FUNCTION archive_batch(
    archived text, expected bigint, its_file text, its_sha256 text
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    WITH gone AS (
        DELETE FROM raw_products WHERE batch_id = archived RETURNING id, processed
    )
    INSERT INTO archived_batches (batch_id, rows, ids, file, sha256)
    SELECT archived, count(*), sum(hashint8extended(id, 0)), its_file, its_sha256
    FROM gone
    HAVING count(*) = expected AND bool_and(processed);
    IF NOT FOUND THEN
        RAISE 'batch % has not % processed rows', archived, expected;
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION archive_batch FROM PUBLIC;
GRANT EXECUTE ON FUNCTION archive_batch TO pipeline_writer;
REVOKE INSERT, UPDATE ON archived_batches FROM pipeline_writer;

-- Only the owner of a table may ANALYZE it.
CREATE OR REPLACE FUNCTION analyze_landing_products() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'ANALYZE public.landing_products';
REVOKE EXECUTE ON FUNCTION analyze_landing_products FROM PUBLIC;
GRANT EXECUTE ON FUNCTION analyze_landing_products TO pipeline_writer;

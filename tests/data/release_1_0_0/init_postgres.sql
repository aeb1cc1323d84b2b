-- pipeline_db: the raw zone, the clean zone and quarantine of the batch pipeline.
-- Run by the Docker entrypoint and by local_stack; running it again changes nothing.
SET client_min_messages = warning;

-- What a vendor sent, until load_to_raw_zone takes it up. In the database, not in a file, because
-- the next task may run on another machine. It is read in the order of its key, without a sort.
CREATE TABLE IF NOT EXISTS landing_products (
    batch_id text NOT NULL,
    source text COLLATE "C" NOT NULL,
    line_number integer NOT NULL,
    landed_at timestamptz NOT NULL DEFAULT now(),
    raw_text text NOT NULL,
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

-- The raw zone: every record exactly as received, never changed and never deleted.
-- Half of each page is left free, so that setting `processed` stays on the page (a HOT update).
CREATE TABLE IF NOT EXISTS raw_products (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch_id text NOT NULL,
    source text NOT NULL,
    line_number integer NOT NULL,
    ingestion_time timestamptz NOT NULL DEFAULT now(),
    raw_text text NOT NULL,
    raw_data jsonb, -- NULL where raw_text is not what PostgreSQL can hold as JSON
    processed boolean NOT NULL DEFAULT false,
    UNIQUE (batch_id, source, line_number)
) WITH (fillfactor = 50);

-- What the rules said of each raw row, with the fields in their standard form.
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
    issues text -- NULL: the row is valid
);
-- Written batch by batch, so it is enough to note which blocks hold which batches: a few kB, where a
-- B-tree would have an entry for every row.
CREATE INDEX IF NOT EXISTS product_verdicts_batch ON product_verdicts
    USING brin (batch_id text_bloom_ops) WITH (autosummarize = on);

-- The clean zone: for each product the newest valid row by ingestion. Prices are US dollars.
CREATE TABLE IF NOT EXISTS clean_products (
    product_id text COLLATE "C" PRIMARY KEY,
    name text NOT NULL CHECK (name <> ''),
    price numeric(12, 2) NOT NULL CHECK (price > 0),
    stock integer NOT NULL CHECK (stock >= 0),
    source text NOT NULL,
    category text,
    batch_id text NOT NULL,
    raw_id bigint, -- NULL: a sample row of this file
    ingestion_time timestamptz NOT NULL,
    rule_version integer NOT NULL,
    loaded_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS clean_products_batch ON clean_products (batch_id);

-- Valid rows that lost to a newer row of the same product; they come back if that one is withdrawn.
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

-- Rejected rows. `issues` holds reason codes, parted by ", ": docs/batch-bad-input.md lists them.
CREATE TABLE IF NOT EXISTS quarantine_products (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    raw_id bigint NOT NULL,
    batch_id text NOT NULL,
    source text NOT NULL,
    raw_data jsonb,
    raw_text text NOT NULL,
    issues text NOT NULL CHECK (issues <> ''),
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
    pass_rate numeric(5, 2), -- %, of what was received; NULL if nothing was
    missing_sources text[] NOT NULL,
    reasons jsonb NOT NULL, -- {vendor: {reason: rows}}
    change jsonb NOT NULL, -- {runs: how many earlier ones, up to 7; figure: change to their average}
    report text NOT NULL -- as printed
);

-- The text as JSONB, or NULL where PostgreSQL cannot hold it (no JSON, NUL, nested too deep).
CREATE OR REPLACE FUNCTION jsonb_or_null(raw_text text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RETURN raw_text::jsonb;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    RETURN NULL;
END $$;

-- Samples: four raw rows that no run has judged yet (see them judged:
-- python batch_pipeline/reprocess.py sample) and three clean products.
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

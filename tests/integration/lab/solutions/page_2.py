"""Solutions of the exercises of course page 2."""

from tests.integration.lab.solutions.learner import Solution, Solutions, sql

TABLE = "CREATE TABLE lab.hourly (time timestamptz NOT NULL, sensor_id text, temperature float)"
FILL = """INSERT INTO lab.hourly
          SELECT time, sensor_id, temperature FROM sensor_readings WHERE topic IS NULL"""
BY_THE_HOUR = """SELECT create_hypertable('lab.hourly', 'time',
                                          chunk_time_interval => INTERVAL '1 hour')"""
HOURLY = (TABLE, BY_THE_HOUR, FILL)
PRICES = """CREATE TABLE lab.prices AS
            SELECT 'P-' || n AS product_id, n::numeric AS price FROM generate_series(1, {}) AS n"""
CHUNK_SIZES = """SELECT chunk_name AS chunk, {} AS bytes
                 FROM chunks_detailed_size('sensor_readings')"""
ONE_HOUR = """
DO $$
DECLARE chunk record;
BEGIN
    SELECT * FROM timescaledb_information.chunks
    WHERE hypertable_name = 'hourly' ORDER BY range_start LIMIT 1 INTO chunk;
    EXECUTE format('CREATE VIEW lab.one_hour AS SELECT * FROM {}',
                   chunk.range_start, chunk.range_end, chunk.chunk_name);
END $$"""


def products(statement: str, *more: str) -> Solution:
    """Statements in pipeline_db."""
    return sql("pipeline_db", statement, *more)


def readings(*statements: str) -> Solution:
    """Statements in timeseries_db."""
    return sql("timeseries_db", *statements)


SOLUTIONS = {
    "pending": Solutions(
        products("CREATE VIEW lab.pending AS SELECT id FROM raw_products WHERE NOT processed"),
        {
            "all of them": (
                products("CREATE VIEW lab.pending AS SELECT id FROM raw_products"),
                "does not follow",
            ),
            "typed in": (
                products("CREATE VIEW lab.pending AS SELECT generate_series(1, 4) AS id"),
                "does not follow",
            ),
        },
    ),
    "hourly": Solutions(
        readings(*HOURLY),
        {
            "a plain table": (readings(TABLE, FILL), "has no chunks"),
            "the default interval": (
                readings(TABLE, "SELECT create_hypertable('lab.hourly', 'time')", FILL),
                "Not every chunk",
            ),
            "changed too late": (
                readings(
                    TABLE,
                    "SELECT create_hypertable('lab.hourly', 'time')",
                    FILL,
                    "SELECT set_chunk_time_interval('lab.hourly', INTERVAL '1 hour')",
                ),
                "Not every chunk",
            ),
            "some rows only": (
                readings(TABLE, BY_THE_HOUR, FILL + " AND temperature > 20"),
                "only the sample data has",
            ),
        },
    ),
    "one_chunk": Solutions(
        readings(*HOURLY, ONE_HOUR.format("lab.hourly WHERE time >= %L AND time < %L")),
        {
            "all chunks": (
                readings(*HOURLY, "CREATE VIEW lab.one_hour AS SELECT * FROM lab.hourly"),
                "The plan of lab.one_hour reads",
            ),
            "the first rows": (
                readings(*HOURLY, "CREATE VIEW lab.one_hour AS SELECT * FROM lab.hourly LIMIT 10"),
                "The plan of lab.one_hour reads",
            ),
            "past the hypertable": (
                readings(*HOURLY, ONE_HOUR.format("_timescaledb_internal.%3$I")),
                "does not read lab.hourly",
            ),
            "there is but one": (
                readings(
                    TABLE,
                    BY_THE_HOUR.replace("1 hour", "1000 days"),
                    FILL,
                    "CREATE VIEW lab.one_hour AS SELECT * FROM lab.hourly",
                ),
                "lab.hourly has 1 chunk.",
            ),
            "no rows": (
                readings(
                    *HOURLY,
                    "CREATE VIEW lab.one_hour AS SELECT * FROM lab.hourly WHERE time > 'tomorrow'",
                ),
                "has no rows",
            ),
        },
    ),
    "index": Solutions(
        products(PRICES.format(100_000), "CREATE INDEX ON lab.prices (product_id)"),
        {
            "no index": (products(PRICES.format(100_000)), "Seq Scan"),
            "on another column": (
                products(PRICES.format(100_000), "CREATE INDEX ON lab.prices (price)"),
                "Seq Scan",
            ),
            "on a function": (
                products(PRICES.format(100_000), "CREATE INDEX ON lab.prices (lower(product_id))"),
                "Seq Scan",
            ),
            "few rows": (
                products(PRICES.format(10), "CREATE INDEX ON lab.prices (product_id)"),
                "needs at least 100,000",
            ),
        },
    ),
    "stock": Solutions(
        products(
            """CREATE TABLE lab.stock
               (product_id text PRIMARY KEY, pieces integer NOT NULL CHECK (pieces >= 0))"""
        ),
        {
            "not 0": (
                products(
                    """CREATE TABLE lab.stock
                   (product_id text PRIMARY KEY, pieces integer NOT NULL CHECK (pieces > 0))"""
                ),
                "refuses 0 pieces",
            ),
            "a check accepts NULL": (
                products(
                    """CREATE TABLE lab.stock
                   (product_id text PRIMARY KEY, pieces integer CHECK (pieces >= 0))"""
                ),
                "without a number of pieces",
            ),
            "only 0": (
                products(
                    """CREATE TABLE lab.stock
                       (product_id text PRIMARY KEY, pieces integer NOT NULL CHECK (pieces = 0))"""
                ),
                "refuses 7 pieces",
            ),
            "without a product": (
                products(
                    """CREATE TABLE lab.stock
                       (product_id text UNIQUE, pieces integer NOT NULL CHECK (pieces >= 0))"""
                ),
                "takes a row without a product_id",
            ),
            "twice": (
                products(
                    """CREATE TABLE lab.stock
                   (product_id text NOT NULL, pieces integer NOT NULL CHECK (pieces >= 0))"""
                ),
                "takes a second row",
            ),
            "no check": (
                products(
                    "CREATE TABLE lab.stock (product_id text PRIMARY KEY, pieces integer NOT NULL)"
                ),
                "takes -1 pieces",
            ),
        },
    ),
    "chunk_sizes": Solutions(
        readings(f"CREATE VIEW lab.chunk_sizes AS {CHUNK_SIZES.format('total_bytes')}"),
        {
            "without indexes": (
                readings(f"CREATE VIEW lab.chunk_sizes AS {CHUNK_SIZES.format('table_bytes')}"),
                "are not what the database holds",
            ),
            "a copy": (
                readings(f"CREATE TABLE lab.chunk_sizes AS {CHUNK_SIZES.format('total_bytes')}"),
                "does not follow",
            ),
        },
    ),
}

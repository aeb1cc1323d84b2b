"""Exercises of course page 2: databases."""

from psycopg2 import errors
from psycopg2.extensions import cursor as Cursor

from lab.exercises.exercise import Exercise, Lab, expect, expect_object, expect_view, plan_of, rows
from pipeline_common.console import counted
from pipeline_common.sql_files import read_sql

PAGE = "2-databases"

PENDING = "SELECT id FROM raw_products WHERE NOT processed"
ANOTHER_IS_PENDING = read_sql("lab/another_is_pending")
CHUNKS = read_sql("lab/chunks_of_hourly")
NOT_IN_BOTH = read_sql("lab/hourly_and_samples")
READS = read_sql("lab/one_hour_reads_hourly")
CHUNK_SIZES = read_sql("lab/chunk_sizes")
ANOTHER_CHUNK = read_sql("lab/another_chunk")
BY_INDEX = {"Index Scan", "Index Only Scan", "Bitmap Index Scan"}
FEWEST_PRICES = 100_000


def grade_pending(lab: Lab) -> None:
    """The view holds the raw rows that no run has validated."""
    expect_view(lab, "pipeline_db", "lab.pending", PENDING, ANOTHER_IS_PENDING)


def grade_hourly(lab: Lab) -> None:
    """The hypertable has the sample readings, in chunks of an hour."""
    with lab.looking("timeseries_db") as cursor:
        expect_object(cursor, "timeseries_db", "lab.hourly")
        chunks = rows(cursor, CHUNKS)
        expect(chunks, "lab.hourly has no chunks: it is not a hypertable, or it is empty.")
        expect(all(hour for _, hour in chunks), "Not every chunk of lab.hourly is one hour long.")
        different = rows(cursor, NOT_IN_BOTH)[0][0]
    found = f"Readings that only lab.hourly or only the sample data has: {different}."
    expect(not different, found)


def grade_one_chunk(lab: Lab) -> None:
    """The view's plan reads one chunk of several, through the hypertable."""
    with lab.looking("timeseries_db") as cursor:
        expect_object(cursor, "timeseries_db", "lab.hourly")
        expect_object(cursor, "timeseries_db", "lab.one_hour")
        chunks = {name for name, _ in rows(cursor, CHUNKS)}
        expect(len(chunks) > 1, f"lab.hourly has {counted(len(chunks), 'chunk')}.")
        expect(rows(cursor, READS) > [(0,)], "lab.one_hour does not read lab.hourly.")
        expect(rows(cursor, "SELECT FROM lab.one_hour LIMIT 1"), "lab.one_hour has no rows.")
        plan = plan_of(cursor, "SELECT * FROM lab.one_hour")
    read = chunks & {node.get("Relation Name") for node in plan}
    expect(len(read) == 1, f"The plan of lab.one_hour reads {len(read)} of {len(chunks)} chunks.")


def grade_index(lab: Lab) -> None:
    """A product is found by an index, in a table that is large enough to need one."""
    with lab.looking("pipeline_db") as cursor:
        expect_object(cursor, "pipeline_db", "lab.prices")
        count, some = rows(cursor, "SELECT count(*), max(product_id) FROM lab.prices")[0]
        found = f"lab.prices has {counted(count, 'row')}; it needs at least {FEWEST_PRICES:,}."
        expect(count >= FEWEST_PRICES, found)
        plan = plan_of(cursor, "SELECT * FROM lab.prices WHERE product_id = %(some)s", some=some)
    how = {node["Node Type"] for node in plan}
    expect(how & BY_INDEX, f"The plan of a query for one product_id is a {', '.join(sorted(how))}.")


def grade_stock(lab: Lab) -> None:
    """The table takes what is right and refuses what must never be."""
    with lab.looking("pipeline_db") as cursor:
        expect_object(cursor, "pipeline_db", "lab.stock")
        for values, found in (
            (("lab check", 0), "lab.stock refuses 0 pieces of a product."),
            (("lab check 2", 7), "lab.stock refuses 7 pieces of a product."),
        ):
            expect(not _refuses(cursor, *values), found)
        for wrong, found in (
            (("lab check 3", -1), "lab.stock takes -1 pieces of a product."),
            (("lab check 4", None), "lab.stock takes a product without a number of pieces."),
            ((None, 1), "lab.stock takes a row without a product_id."),
            (("lab check", 1), "lab.stock takes a second row of a product."),
        ):
            expect(_refuses(cursor, *wrong), found)


def _refuses(cursor: Cursor, product_id: str | None, pieces: int | None) -> bool:
    cursor.execute("SAVEPOINT before")
    try:
        cursor.execute(
            "INSERT INTO lab.stock (product_id, pieces) VALUES (%s, %s)", (product_id, pieces)
        )
    except errors.IntegrityError:
        cursor.execute("ROLLBACK TO before")
        return True
    return False


def grade_chunk_sizes(lab: Lab) -> None:
    """The view tells how large each chunk is now."""
    expect_view(lab, "timeseries_db", "lab.chunk_sizes", CHUNK_SIZES, ANOTHER_CHUNK)


EXERCISES = [
    Exercise(
        "pending",
        PAGE,
        "see",
        "Make the view `lab.pending` in `pipeline_db` with the column `id`: the rows of "
        "`raw_products` that no run has validated yet.",
        "The raw zone keeps all rows, and one column says which still have to be validated.",
        (
            "Look at the columns of raw_products: one of them is about exactly this.",
            "The column processed is false until a run has validated and loaded the row; a "
            "condition may be the column itself.",
            "CREATE VIEW lab.pending AS SELECT id FROM raw_products WHERE NOT processed",
        ),
        grade_pending,
    ),
    Exercise(
        "hourly",
        PAGE,
        "change",
        "Make `lab.hourly` in `timeseries_db`, a hypertable with chunks of one hour and at least "
        "the columns `time`, `sensor_id` and `temperature`, and copy the sample readings (those of "
        "`sensor_readings` without a topic) into it.",
        "The chunk interval is set before rows are inserted; it decides what a query can skip.",
        (
            "First a table, then create_hypertable, then the rows.",
            "create_hypertable takes chunk_time_interval => INTERVAL '1 hour'; changing it later "
            "affects new chunks only.",
            "CREATE TABLE lab.hourly (time timestamptz NOT NULL, sensor_id text, temperature "
            "float); SELECT create_hypertable('lab.hourly', 'time', chunk_time_interval => "
            "INTERVAL '1 hour'); INSERT INTO lab.hourly SELECT time, sensor_id, temperature FROM "
            "sensor_readings WHERE topic IS NULL",
        ),
        grade_hourly,
    ),
    Exercise(
        "one_chunk",
        PAGE,
        "see",
        "Make the view `lab.one_hour` in `timeseries_db`, which shows readings of `lab.hourly`, "
        "and whose plan reads only one of its chunks.",
        "A condition on the time lets the planner leave out every chunk that cannot match.",
        (
            "EXPLAIN SELECT * FROM lab.one_hour names the chunks that are read.",
            "timescaledb_information.chunks has the range of each chunk; the condition must lie "
            "within one of them. LIMIT does not leave out a chunk in the plan.",
            "CREATE VIEW lab.one_hour AS SELECT * FROM lab.hourly WHERE time >= '...' AND time < "
            "'...' with range_start and range_end of one chunk, as they are in "
            "timescaledb_information.chunks",
        ),
        grade_one_chunk,
    ),
    Exercise(
        "index",
        PAGE,
        "change",
        "Make the table `lab.prices (product_id text, price numeric)` in `pipeline_db` with "
        "100,000 rows, and make sure that a query for one `product_id` uses an index.",
        "EXPLAIN shows whether an index is used: it has to be on what the condition compares.",
        (
            "generate_series makes many rows; EXPLAIN shows the plan of your query.",
            "The index has to be on the column itself: one on lower(product_id) does not help a "
            "condition on product_id.",
            "CREATE TABLE lab.prices AS SELECT 'P-' || n AS product_id, random()::numeric AS price "
            "FROM generate_series(1, 100000) AS n; CREATE INDEX ON lab.prices (product_id)",
        ),
        grade_index,
    ),
    Exercise(
        "stock",
        PAGE,
        "break",
        "Make the table `lab.stock (product_id text, pieces integer)` in `pipeline_db` so that "
        "nobody can break it: each product is there only once, and its `pieces` are always a "
        "number of 0 or more.",
        "A constraint holds for everybody, also for a program that forgets the rules.",
        (
            "Try to insert wrong rows yourself: a negative number, a missing one, a product twice.",
            "A CHECK accepts NULL, so you also need NOT NULL. 0 pieces must be accepted.",
            "CREATE TABLE lab.stock (product_id text PRIMARY KEY, pieces integer NOT NULL CHECK "
            "(pieces >= 0))",
        ),
        grade_stock,
    ),
    Exercise(
        "chunk_sizes",
        PAGE,
        "measure",
        "Make the view `lab.chunk_sizes` in `timeseries_db` with the columns `chunk` (its name) "
        "and `bytes`: how large each chunk of `sensor_readings` is now, its indexes included.",
        "A hypertable takes disk space chunk by chunk, and each new day begins a new chunk.",
        (
            "A function of TimescaleDB tells the size of each chunk of a hypertable.",
            "chunks_detailed_size('sensor_readings') has the table, its indexes and the total.",
            "SELECT chunk_name AS chunk, total_bytes AS bytes FROM "
            "chunks_detailed_size('sensor_readings')",
        ),
        grade_chunk_sizes,
    ),
]

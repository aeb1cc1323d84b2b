"""Every query in sql/queries/ runs, and returns the expected columns and rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection

from local_stack.stack import Stack
from pipeline_common.sql_files import SQL_FOLDER
from python_scripts.queries import as_objects, query_text, run_query
from tests.databases import fresh_database
from tests.integration.batch.conftest import run_batch

BATCH = {
    "batch_ledger": "batch_id raw clean superseded quarantined missing",
    "batch_quality_latest": "reported_at received clean superseded quarantined pass_rate"
    " vendors_missing",
    "batch_runs": "reported_at run_type received clean superseded quarantined pass_rate",
    "batch_tables": "table rows size",
    "batch_zones": "raw clean superseded quarantined pending",
    "clean_latest": "product_id name price stock category loaded_at",
    "inventory_value": "category products items value percent",
    "price_distribution": "lower upper products",
    "product_history": "product_id price stock source ingestion_time state",
    "quarantine_latest": "raw_id source issues received",
    "raw_latest": "id product_id name price stock state issues raw_text",
    "rejections_by_vendor": "source received quarantined percent",
    "top_rejection_reasons": "reason rows percent",
}
STREAM = {
    "five_minute_averages": "bucket sensor_id readings temperature humidity pressure",
    "five_minute_course": "sensor_id lowest highest course",
    "hourly_averages": "hour location readings temperature lowest highest",
    "invalid_latest": "received partition offset issues raw",
    "invalid_reasons": "reason readings percent",
    "late_readings": "sensor_id late first_received last_received",
    "location_comparison": "location sensors readings temperature deviation humidity pressure",
    "plan_with_exclusion": "QUERY_PLAN",
    "plan_without_exclusion": "QUERY_PLAN",
    "readings_over_time": "quarter readings",
    "recent_readings": "time sensor_id temperature humidity pressure location",
    "rejection_share": "sensor_id valid invalid percent_rejected",
    "sensor_gaps": "sensor_id silent_from silent_until silence",
    "sensor_partitions": "topic sensor_id partition readings",
    "sensor_silence": "sensor_id last_reading ago",
    "stream_chunks": "hypertable chunk range_start range_end rows size compressed",
    "stream_hypertables": "hypertable chunk_interval chunks compression size",
    "stream_ledger": "topic read valid invalid duplicate expired missing",
    "stream_minutes": "minute valid invalid duplicate",
    "stream_position": "topic partition next_offset records duplicates updated_at",
    "temperature_lines": "time location temperature",
}
#: What asks for all readings there are, or for those of long ago, or for the newest, however old.
OF_ALL_TIME = {
    "stream_ledger",
    "recent_readings",
    "plan_with_exclusion",
    "plan_without_exclusion",
    "stream_chunks",
}

VALID = '{"product_id": "%s", "name": "Thing", "price": %s, "stock": %d, "category": "%s"}'
#: Two batches: the second brings A again and a row with two faults.
FIRST = [VALID % ("A", 10, 3, "red"), VALID % ("B", '"$5.00"', 2, "blue"), "rubbish", "rubbish"]
SECOND = [VALID % ("A", 20, 4, "red"), '{"product_id": "C", "name": "Thing", "price": 0}']


@pytest.fixture(scope="module")
def products(stack: Stack) -> Iterator[Connection]:
    """pipeline_db with two validated batches, and without the samples' clean products."""
    with filled(stack, "my_postgres") as connection:
        connection.cursor().execute("DELETE FROM clean_products")
        connection.autocommit = False
        run_batch(connection, "manual__1", {"shop": FIRST})
        run_batch(connection, "manual__2", {"shop": SECOND})
        connection.autocommit = True
        yield connection


@pytest.fixture(scope="module")
def readings(stack: Stack) -> Iterator[Connection]:
    """timeseries_db with a few readings of two sensors, given by how long ago they were."""
    with filled(stack, "my_timescaledb") as connection:
        connection.cursor().execute("DELETE FROM sensor_readings")
        connection.cursor().execute(READINGS)
        yield connection


@contextmanager
def filled(stack: Stack, service: str) -> Iterator[Connection]:
    """A connection to a database for all tests of this module: queries change nothing."""
    with fresh_database(stack, service) as database:
        connection = psycopg2.connect(**database)
        connection.autocommit = True
        yield connection
        connection.close()


#: Readings 70 s and 10 s apart, and one of a month ago, which no range of time includes.
READINGS = """
INSERT INTO sensor_readings
    (time, sensor_id, temperature, humidity, pressure, location, topic, partition, "offset")
VALUES (now() - INTERVAL '30 days', 's1', 99, 50, 1000, 'north', 't', 0, 0),
       (now() - INTERVAL '90 seconds', 's1', 20, 40, 1000, 'north', 't', 0, 1),
       (now() - INTERVAL '20 seconds', 's1', 22, 60, 1010, 'north', 't', 0, 2),
       (now() - INTERVAL '10 seconds', 's2', 5, 50, 1000, 'south', 't', 1, 0);
INSERT INTO sensor_readings_invalid
    (time, sensor_id, issues, raw, topic, topic_id, partition, "offset", rule_version)
VALUES (now() - INTERVAL '25 days', 's1', '{timestamp_late}', 'x', 't',
        gen_random_uuid(), 0, 3, 1),
       (now() - INTERVAL '9 seconds', 's1', '{timestamp_late}', 'x', 't',
        gen_random_uuid(), 0, 4, 1),
       (now() - INTERVAL '8 seconds', NULL, '{sensor_id_missing, timestamp_late}', 'x', 't',
        gen_random_uuid(), 0, 5, 1);
INSERT INTO stream_duplicates (topic, topic_id, partition, "offset")
VALUES ('t', gen_random_uuid(), 0, 6);
INSERT INTO stream_offsets (topic, partition, topic_id, next_offset, records, duplicates)
VALUES ('t', 0, gen_random_uuid(), 7, 7, 1), ('t', 1, gen_random_uuid(), 1, 1, 0)"""


def rows(connection: Connection, name: str) -> list[dict[str, Any]]:
    return as_objects(run_query(connection, name))


def only(connection: Connection, name: str, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in rows(connection, name)]


def test_each_file_is_described_by_its_first_line_and_listed_here() -> None:
    """The line becomes the title; a list that misses a file would test less than it says."""
    files = {path.stem for path in (SQL_FOLDER / "queries").glob("*.sql")}
    assert files == BATCH.keys() | STREAM.keys()
    for name in files:
        first = query_text(name).splitlines()[0]
        assert first.startswith("-- "), name
        assert first[3].isupper(), name
        assert len(first) <= 100, name


@pytest.mark.parametrize("name", BATCH)
def test_a_batch_query_gives_what_it_promises(products: Connection, name: str) -> None:
    result = run_query(products, name)
    assert list(result.headers) == BATCH[name].split()
    assert result.rows


@pytest.mark.parametrize("name", STREAM)
def test_a_stream_query_gives_what_it_promises(readings: Connection, name: str) -> None:
    result = run_query(readings, name)
    assert [header.replace(" ", "_") for header in result.headers] == STREAM[name].split()
    assert result.rows


@pytest.mark.parametrize("name", sorted(STREAM.keys() - OF_ALL_TIME))
def test_a_query_for_a_range_of_time_leaves_old_chunks_out(readings: Connection, name: str) -> None:
    """The chunk of a month ago is not read."""
    with readings.cursor() as cursor:
        cursor.execute("SELECT show_chunks('sensor_readings', older_than => INTERVAL '20 days')")
        ((chunk,),) = cursor.fetchall()
        cursor.execute("EXPLAIN (ANALYZE) " + query_text(name))
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert f"on {chunk.split('.')[-1]}" not in plan
    assert "Scan" in plan


def test_the_ledger_of_batches_is_right(products: Connection) -> None:
    """A of the first batch was superseded by A of the second."""
    parts = ("raw", "clean", "superseded", "quarantined", "missing")
    assert only(products, "batch_ledger", "batch_id", *parts) == [
        ("manual__2", 2, 1, 0, 1, 0),
        ("manual__1", 4, 1, 1, 2, 0),
    ]
    assert rows(products, "batch_zones") == [
        {"raw": 10, "clean": 2, "superseded": 1, "quarantined": 3, "pending": 4}
    ]
    assert only(products, "product_history", "product_id", "price", "state") == [
        ("A", Decimal("20.00"), "kept"),
        ("A", Decimal("10.00"), "superseded"),
    ]


def test_the_latest_batch_s_quality_is_right(products: Connection) -> None:
    """One of two rows passed."""
    columns = ("received", "clean", "quarantined", "pass_rate", "vendors_missing")
    assert only(products, "batch_quality_latest", *columns) == [(2, 1, 1, Decimal("50.00"), 0)]
    assert only(products, "batch_runs", "run_type", "received") == [("manual", 2), ("manual", 4)]


def test_reasons_are_counted_each_for_itself(products: Connection) -> None:
    """A row with two faults counts for both; shares are of all reasons."""
    assert only(products, "top_rejection_reasons", "reason", "rows", "percent") == [
        ("not_json", 2, Decimal("50.00")),
        ("price_not_positive", 1, Decimal("25.00")),
        ("stock_missing", 1, Decimal("25.00")),
    ]
    assert only(products, "rejections_by_vendor", "received", "quarantined", "percent") == [
        (6, 3, Decimal("50.00"))
    ]


def test_the_inventory_is_worth_price_times_stock(products: Connection) -> None:
    """20 $ x 4 and 5 $ x 2."""
    assert only(products, "inventory_value", "category", "items", "value", "percent") == [
        ("red", 4, Decimal("80.00"), Decimal("88.89")),
        ("blue", 2, Decimal("10.00"), Decimal("11.11")),
    ]
    assert [count for (count,) in only(products, "price_distribution", "products")] == [2] + [
        0
    ] * 10


def test_the_ledger_of_the_stream_is_right(readings: Connection) -> None:
    """8 records = 4 valid + 3 invalid + 1 duplicate, those of a month ago too."""
    parts = ("read", "valid", "invalid", "duplicate", "expired", "missing")
    assert only(readings, "stream_ledger", *parts) == [(8, 4, 3, 1, 0, 0)]
    minutes = rows(readings, "stream_minutes")
    verdicts = ("valid", "invalid", "duplicate")
    assert [sum(row[verdict] for row in minutes) for verdict in verdicts] == [3, 2, 1]


def test_averages_are_of_the_range_they_name(readings: Connection) -> None:
    """The 99 °C of a month ago are in none."""
    weighted = [
        (row["temperature"] * row["readings"], row["readings"])
        for name in ("five_minute_averages", "hourly_averages")
        for row in rows(readings, name)
        if row.get("sensor_id", "s1") == "s1" and row.get("location", "north") == "north"
    ]
    assert (sum(total for total, _ in weighted), sum(n for _, n in weighted)) == (84, 4)
    columns = ("location", "readings", "temperature", "humidity", "pressure")
    assert only(readings, "location_comparison", *columns) == [
        ("north", 2, 21, 50, 1005),
        ("south", 1, 5, 50, 1000),
    ]


def test_late_data_gaps_and_lag_are_found(readings: Connection) -> None:
    """Late by reason, also beside another reason; a gap of 70 s; sensors by their silence."""
    assert only(readings, "late_readings", "sensor_id", "late") == [("s1", 1), (None, 1)]
    (gap,) = rows(readings, "sensor_gaps")
    assert (gap["sensor_id"], gap["silence"].total_seconds()) == ("s1", 70)
    silent = {
        row["sensor_id"]: row["ago"].total_seconds() for row in rows(readings, "sensor_silence")
    }
    assert silent["s1"] - silent["s2"] == 10
    assert only(readings, "rejection_share", "sensor_id", "valid", "invalid") == [
        ("(none)", 0, 1),
        ("s1", 2, 1),
        ("s2", 1, 0),
    ]
    assert only(readings, "invalid_reasons", "reason", "readings", "percent") == [
        ("timestamp_late", 3, Decimal("75.00")),
        ("sensor_id_missing", 1, Decimal("25.00")),
    ]


def test_chunks_have_the_rows_of_their_range(readings: Connection) -> None:
    """The reading of a month ago is in a chunk of its own."""
    chunks = [
        row for row in rows(readings, "stream_chunks") if row["hypertable"] == "sensor_readings"
    ]
    assert sum(row["rows"] for row in chunks) == 4
    assert chunks[0]["rows"] == 1
    assert not any(row["compressed"] for row in chunks)

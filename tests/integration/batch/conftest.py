"""A fresh pipeline_db on a real server, and batches run through all of the DAG's steps."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection

from batch_pipeline import report, steps
from batch_pipeline.ledger import Ledger, read_ledger

BATCH_ROWS = """
    SELECT raw_id, 'clean' AS place FROM clean_products WHERE batch_id = %(batch_id)s
    UNION ALL SELECT raw_id, 'superseded' FROM superseded_products WHERE batch_id = %(batch_id)s
    UNION ALL SELECT raw_id, array_to_string(issues, ', ') FROM quarantine_products
    WHERE batch_id = %(batch_id)s"""


@pytest.fixture
def connection(pipeline_db: dict[str, Any]) -> Iterator[Connection]:
    """A connection to a fresh pipeline_db."""
    connection = psycopg2.connect(**pipeline_db)
    yield connection
    connection.close()


def product(product_id: str, **fields: object) -> str:
    """A valid record, except for `fields`."""
    return json.dumps({"product_id": product_id, "name": "Mouse", "price": 5, "stock": 1} | fields)


def run_batch(
    connection: Connection, batch_id: str, records: Mapping[str, Iterable[str | bytes]]
) -> str:
    """All steps of the DAG, in order, for records by vendor; returns the report."""
    for vendor, lines in records.items():
        steps.land(connection, batch_id, vendor, lines)
    steps.load_to_raw_zone(connection, batch_id, list(records))
    return validate_and_load(connection, batch_id)


def validate_and_load(connection: Connection, batch_id: str) -> str:
    """The steps after load_to_raw_zone."""
    for step in steps.AFTER_LANDING[1:]:
        step(connection, batch_id)
    return report.generate_report(connection, batch_id)


def rows(connection: Connection, query: str, batch_id: str = "") -> list[tuple[Any, ...]]:
    """The rows of a query."""
    with connection, connection.cursor() as cursor:
        cursor.execute(query, {"batch_id": batch_id})
        return list(cursor.fetchall())


def ledger(connection: Connection, batch_id: str) -> Ledger:
    """Where the rows of a batch are."""
    with connection, connection.cursor() as cursor:
        return read_ledger(cursor, batch_id)


def places(connection: Connection, batch_id: str) -> dict[str, str]:
    """Each raw row's place: "clean", "superseded" or its reasons; fails if a row has not just one.

    Keys are "vendor/line number".
    """
    raw = rows(
        connection,
        "SELECT id, source || '/' || line_number FROM raw_products WHERE batch_id = %(batch_id)s",
        batch_id,
    )
    found = rows(connection, BATCH_ROWS, batch_id)
    assert sorted(raw_id for raw_id, _ in found) == sorted(raw_id for raw_id, _ in raw)
    names = dict(raw)
    return {names[raw_id]: place for raw_id, place in found}

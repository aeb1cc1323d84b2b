"""How the steps talk to pipeline_db: queries from sql/batch/, locked transactions, COPY."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

QUERY_FOLDER = Path(__file__).resolve().parent.parent / "sql" / "batch"
CHUNK = 10_000  # rows held in memory at a time, whatever the size of the batch


@cache
def query(name: str) -> str:
    """The SQL of sql/batch/<name>.sql."""
    return (QUERY_FOLDER / f"{name}.sql").read_text()


@contextmanager
def locked_transaction(connection: "Connection", *locks: str) -> "Iterator[Cursor]":
    """One transaction: all of it or nothing; others that name one of the locks wait for its end."""
    with connection, connection.cursor() as cursor:
        for lock in locks:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [lock])
        yield cursor


def chunks(rows: Iterable[Sequence[object]]) -> Iterator[list[Sequence[object]]]:
    """The rows in lists of CHUNK."""
    rows = iter(rows)
    while chunk := list(islice(rows, CHUNK)):
        yield chunk


def copy_rows(cursor: "Cursor", copy: str, rows: Iterable[Sequence[object]]) -> int:
    """Send rows to `copy`, a "COPY … FROM STDIN (FORMAT csv)", in chunks; returns their number."""
    count = 0
    for chunk in chunks(rows):
        text = io.StringIO()
        csv.writer(text).writerows(chunk)
        text.seek(0)
        cursor.copy_expert(copy, text)
        count += len(chunk)
    return count

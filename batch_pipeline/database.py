"""How the steps talk to pipeline_db: queries from sql/batch/, locked transactions, COPY."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

QUERY_FOLDER = Path(__file__).resolve().parent.parent / "sql" / "batch"
CHUNK = 10_000  # rows held in memory at a time, whatever the size of the batch
ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


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


def escape(text: str) -> str:
    """Text as a column of COPY's text format."""
    if text.isprintable() and "\\" not in text:  # nearly always, and quickly asked
        return text
    return text.translate(ESCAPES)


def copy_lines(cursor: "Cursor", copy: str, lines: Iterable[str]) -> int:
    """Send lines to `copy`, a "COPY … FROM STDIN", in chunks; returns their number."""
    lines = iter(lines)
    count = 0
    while chunk := list(islice(lines, CHUNK)):
        text = "".join(chunk)
        cursor.copy_expert(copy, StringIO(text), size=1 << 20)
        count += len(chunk)
    return count

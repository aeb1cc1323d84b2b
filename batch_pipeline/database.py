"""How the steps talk to pipeline_db: queries from sql/batch/, locked transactions, COPY."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import TYPE_CHECKING, Any

import psycopg2.extensions

from batch_pipeline.slices import Slice
from pipeline_common import database
from pipeline_common.sql_files import read_sql

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

# Bounds the memory, whatever the size of the batch: a record may be 1 MiB.
FETCHED_ROWS = 256
CHUNK_CHARACTERS = 1 << 20
ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def connect(login: dict[str, Any]) -> "Connection":
    """Connect for the steps: one may process millions of rows, and another wait for it."""
    return database.connect(
        login, "batch_pipeline", statement_seconds=3600, lock_seconds=600, idle_seconds=600
    )


class OneTransaction(psycopg2.extensions.connection):
    """A connection on which all steps are one transaction, which its owner commits or rolls back.

    Give it to psycopg2.connect as `connection_factory`.
    """

    def __enter__(self) -> "OneTransaction":
        """Do not begin a transaction for each step."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Leave the transaction open at the end of a step's `with connection`."""


@contextmanager
def locked_transaction(connection: "Connection", *locks: str) -> "Iterator[Cursor]":
    """One transaction; others that take one of the same locks wait until it ends."""
    with connection, connection.cursor() as cursor:
        for lock in locks:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [lock])
        yield cursor


@contextmanager
def slice_transaction(
    connection: "Connection", batch_id: str, name: str, part: Slice
) -> "Iterator[Cursor]":
    """One transaction on a slice of a batch, with a lock for each of its parts, called `name`.

    Slices of a batch run concurrently; a step that processes the whole batch waits for them.
    """
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, 0))", [batch_id])
        cursor.execute(read_sql("batch/lock_slice"), {"name": name} | part._asdict())
        yield cursor


def escape(text: str) -> str:
    """Text as a field in COPY's text format."""
    if text.isprintable() and "\\" not in text:  # nearly always true, and cheap to check
        return text
    return text.translate(ESCAPES)


def copy_lines(cursor: "Cursor", copy: str, lines: Iterable[str]) -> int:
    """Send lines to `copy`, a "COPY … FROM STDIN", in chunks; returns their number."""
    count = 0
    chunk = StringIO()
    for line in lines:
        count += 1
        chunk.write(line)
        if chunk.tell() >= CHUNK_CHARACTERS:
            _copy_chunk(cursor, copy, chunk)
            chunk = StringIO()
    _copy_chunk(cursor, copy, chunk)
    return count


def _copy_chunk(cursor: "Cursor", copy: str, chunk: StringIO) -> None:
    chunk.seek(0)
    cursor.copy_expert(copy, chunk, size=CHUNK_CHARACTERS)

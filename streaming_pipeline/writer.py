"""Writes validated batches: each in one transaction with its offsets, or in halves that are."""

import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

import psycopg2
from prometheus_client import Histogram
from psycopg2.extensions import connection as Connection

from pipeline_common.errors import StackError
from streaming_pipeline import offsets
from streaming_pipeline.database import Database, transaction
from streaming_pipeline.failures import Failure, first_line, kind_of
from streaming_pipeline.record_batch import Batch
from streaming_pipeline.store import Counts, store

#: The number of records divided by that of batches gives the batch size.
WRITE_SECONDS = Histogram(
    "stream_write_seconds",
    "Time until a micro-batch was stored, with the waits for the database",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
log = logging.getLogger("stream")
Result = TypeVar("Result")


class TooMuch(Exception):
    """A batch needs more time or more locks than one transaction is allowed."""


class Writer:
    """Stores batches over a connection of its own, and counts the outcomes of their records."""

    def __init__(self, database: Database, totals: dict[str, int]) -> None:
        self.database = database
        self.totals = totals  # valid, invalid, duplicate

    @WRITE_SECONDS.time()
    def write(self, batch: Batch) -> None:
        """Store a batch and move the offsets; raises Fenced, and what Database.do raises."""
        for counts in do_in_parts(self.database, write_whole, batch):
            self.totals["valid"] += counts.valid
            self.totals["invalid"] += counts.invalid
            self.totals["duplicate"] += sum(counts.duplicates.values())


def write_whole(connection: Connection, batch: Batch) -> Counts:
    """Store a batch and move the offsets in one transaction."""
    with transaction(connection) as cursor:
        offsets.lock(cursor, batch.topic, batch.expected)
        counts = store(cursor, batch)
        offsets.advance(cursor, batch, counts.duplicates)
    return counts


def do_in_parts(
    database: Database, action: Callable[[Connection, Batch], Result], batch: Batch
) -> Iterator[Result]:
    """The result of `action` as one transaction, or as several: one for each part of the batch.

    A batch that took too long would take too long again, so it is halved, and each half commits.
    """

    def attempt(connection: Connection) -> Result:
        try:
            return action(connection, batch)
        except psycopg2.Error as error:
            if batch.size > 1 and is_too_much(error):
                raise TooMuch(first_line(error)) from error
            if kind_of(error) is Failure.RECORD:  # although single readings were left out
                raise StackError(
                    f"The database refuses what should go to quarantine: {first_line(error)}. "
                    "Remove the constraint or trigger on sensor_readings_invalid."
                ) from error
            raise

    try:
        yield database.do(attempt)
    except TooMuch as error:
        log.warning("%d records are too many at once, trying halves: %s", batch.size, error)
        for half in batch.halves():
            yield from do_in_parts(database, action, half)


def is_too_much(error: psycopg2.Error) -> bool:
    """Whether a smaller batch may succeed: a timeout, or no memory for locks or rows."""
    errors = psycopg2.errors
    limits = errors.QueryCanceled | errors.OutOfMemory | errors.ConfigurationLimitExceeded
    return isinstance(error, limits) and kind_of(error) is Failure.TRANSIENT

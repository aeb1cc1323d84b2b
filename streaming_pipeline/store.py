"""Stores a batch's rows, within the caller's transaction.

Readings that are newer than all earlier ones of their sensor are stored directly with COPY. Those
that may be stored already, and all readings of a batch if the database rejects one, go through a
staging table, which gives the outcome of each; halved again and again until that one is found.
"""

import logging
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from io import BytesIO, StringIO
from typing import NamedTuple

import psycopg2
from psycopg2.extensions import cursor as Cursor

from pipeline_common.sql_files import read_sql
from streaming_pipeline.failures import Failure, first_line, kind_of
from streaming_pipeline.kafka_topic import Topic
from streaming_pipeline.record import Record
from streaming_pipeline.record_batch import Batch
from streaming_pipeline.rows import (
    READINGS,
    REJECTIONS,
    CopyTarget,
    Invalid,
    Valid,
    copy_of_readings,
    copy_of_rejections,
)
from streaming_pipeline.rules import Rejection

DUPLICATE = "duplicate"
REJECTED = "rejected_by_database"
DROPPED = "dropped_by_database"  # given by sql/stream/find_outcomes.sql

Origin = tuple[int, int]  # partition, offset
#: The outcome of readings that were not inserted into sensor_readings: DUPLICATE, or the reason.
Outcomes = dict[Origin, str]

log = logging.getLogger("stream")


class Counts(NamedTuple):
    """The outcome of a batch's records."""

    valid: int
    invalid: int
    duplicates: dict[int, int]  # by partition


def store(cursor: Cursor, batch: Batch) -> Counts:
    """Store a batch's rows: readings, rejections, and where the duplicates are in Kafka."""
    outcomes = store_readings(cursor, batch)
    readings = batch.fresh + batch.suspects
    duplicates = [origin for origin, outcome in outcomes.items() if outcome == DUPLICATE]
    rejections = batch.rejections + [
        (record, rejection, batch.received_ms) for record, rejection in refused(readings, outcomes)
    ]
    insert_rejections(cursor, batch.topic, rejections)
    insert_duplicates(cursor, batch.topic, duplicates)
    return Counts(
        valid=len(readings) - len(outcomes),
        invalid=len(rejections),
        duplicates=Counter(partition for partition, _ in duplicates),
    )


def store_readings(cursor: Cursor, batch: Batch) -> Outcomes:
    """Store a batch's readings; returns the outcomes of those that got no row of their own."""
    if store_straight(cursor, batch.topic, batch.fresh):
        return store_carefully(cursor, batch.topic, batch.suspects)
    return store_carefully(cursor, batch.topic, batch.fresh + batch.suspects)


def store_straight(cursor: Cursor, topic: Topic, readings: list[Valid]) -> bool:
    """Store all readings or, if the database rejects any of them, none."""
    if not readings:
        return True
    cursor.execute("SAVEPOINT straight")
    try:
        stored = copy(cursor, READINGS, copy_of_readings(topic, readings))
    except psycopg2.Error as error:
        if kind_of(error) is not Failure.RECORD:
            raise
        if not isinstance(error, psycopg2.errors.UniqueViolation):  # that is just a duplicate
            log.warning("the database refuses a reading of this batch: %s", first_line(error))
        stored = 0
    if stored < len(readings):  # a trigger can drop rows silently
        cursor.execute("ROLLBACK TO SAVEPOINT straight")
    return stored == len(readings)


def store_carefully(cursor: Cursor, topic: Topic, readings: list[Valid]) -> Outcomes:
    """Store the readings that the database accepts; returns the outcomes of the others."""
    if not readings:
        return {}
    cursor.execute(read_sql("stream/make_staging") + "; SAVEPOINT part")
    try:
        outcomes = insert_readings(cursor, topic, readings)
    except psycopg2.Error as error:
        if kind_of(error) is not Failure.RECORD:
            raise
        # TRUNCATE, because every later scan would otherwise read the dead rows of all attempts.
        cursor.execute("ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part; TRUNCATE staging")
        if len(readings) == 1:
            return {origin_of(readings[0]): REJECTED}
        middle = len(readings) // 2
        outcomes = store_carefully(cursor, topic, readings[:middle])
        return outcomes | store_carefully(cursor, topic, readings[middle:])
    cursor.execute("RELEASE SAVEPOINT part")
    return outcomes


def insert_readings(cursor: Cursor, topic: Topic, readings: list[Valid]) -> Outcomes:
    """Insert the readings whose key is not stored yet; returns the outcomes of the others."""
    stage(cursor, topic, readings)
    cursor.execute(read_sql("stream/insert_readings"))
    if cursor.rowcount == len(readings):
        return {}
    return find_outcomes(cursor, readings)


def find_outcomes(cursor: Cursor, staged: list[Valid]) -> Outcomes:
    """The outcomes of the readings that were left in the staging table."""
    cursor.execute(read_sql("stream/find_outcomes"), bounds(staged))
    return {(partition, offset): outcome for partition, offset, outcome in cursor}


def bounds(readings: list[Valid]) -> dict[str, datetime]:
    """The bounds of their times: constants in the query, which enable chunk exclusion."""
    times = [reading.timestamp for _, reading in readings]
    return {"first": min(times), "last": max(times)}


def stage(cursor: Cursor, topic: Topic, readings: list[Valid]) -> None:
    """Fill the staging table with these readings only."""
    cursor.execute("DELETE FROM staging")
    copy(cursor, READINGS, copy_of_readings(topic, readings), table="staging")


def refused(readings: list[Valid], outcomes: Outcomes) -> list[tuple[Record, Rejection]]:
    """Valid readings that go to quarantine, with the reason."""
    if all(outcome == DUPLICATE for outcome in outcomes.values()):
        return []
    return [
        (record, Rejection(reading.sensor_id, [outcome]))
        for record, reading in readings
        if (outcome := outcomes.get((record.partition, record.offset), DUPLICATE)) != DUPLICATE
    ]


def insert_rejections(cursor: Cursor, topic: Topic, rejections: list[Invalid]) -> None:
    """Quarantine records."""
    if rejections:
        copy(cursor, REJECTIONS, copy_of_rejections(topic, rejections))


def insert_duplicates(cursor: Cursor, topic: Topic, duplicates: Iterable[Origin]) -> None:
    """Store where in Kafka the duplicates are."""
    lines = [
        f"{topic.name}\t{topic.id}\t{partition}\t{offset}\n" for partition, offset in duplicates
    ]
    if lines:
        cursor.copy_expert(read_sql("stream/copy_duplicates"), StringIO("".join(lines)))


def origin_of(reading: Valid) -> Origin:
    """Where in Kafka it comes from."""
    record, _ = reading
    return record.partition, record.offset


def copy(cursor: Cursor, target: CopyTarget, data: bytes, table: str | None = None) -> int:
    """COPY packed rows into a table; returns how many were stored."""
    order = f"COPY {table or target.table} ({target.columns}) FROM STDIN (FORMAT binary)"
    # In one piece: between two pieces, the thread would have to wait for the GIL.
    cursor.copy_expert(order, BytesIO(data), size=len(data))
    stored: int = cursor.rowcount
    return stored

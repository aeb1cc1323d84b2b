"""Re-validate stored records: move each to the table where it belongs by today's rules.

Each batch of a partition is one transaction, which locks the partition's row of `stream_offsets`.
"""

from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from pipeline_common.errors import StackError
from pipeline_common.sql_files import read_sql
from streaming_pipeline import store
from streaming_pipeline.database import transaction
from streaming_pipeline.places import (
    DUPLICATE,
    FARTHEST,
    INVALID,
    NOWHERE,
    VALID,
    Place,
    arrival_ms,
    find,
    find_expired,
    hold,
    kafka_time,
)
from streaming_pipeline.record import UNREADABLE, Record
from streaming_pipeline.record_batch import Batch, verdict_on
from streaming_pipeline.relocation import put_duplicates, put_readings, put_rejections
from streaming_pipeline.rows import Invalid, Valid
from streaming_pipeline.rules import Rejection
from streaming_pipeline.unread_rest import give_places, move_on, readable_rests


class Move(NamedTuple):
    """A record that is in another table now, or in quarantine for other reasons."""

    partition: int
    offset: int
    before: str
    after: str


class Revalidated(NamedTuple):
    """The result for a batch, and the next offset of its partition."""

    counts: dict[str, int]  # by table
    moves: list[Move]
    end: int


def revalidate(connection: Connection, batch: Batch, dry_run: bool = False) -> Revalidated:
    """Re-validate one partition's batch; in a dry run, roll everything back afterwards.

    Rows that retention has deleted are not inserted again.
    """
    [(partition, records)] = batch.records.items()
    stretch = batch.expected[partition], batch.after[partition]
    kafka_ms = [record.kafka_ms for record in records] or [0]
    these = {
        "topic": batch.topic.name,
        "topic_id": batch.topic.id,
        "partition": partition,
        "first_offset": batch.expected[partition],
        "last_offset": batch.after[partition] - 1,
        "earliest": kafka_time(min(kafka_ms)) - FARTHEST,
        "latest": kafka_time(max(kafka_ms)) + FARTHEST,
    }
    with transaction(connection, commit=not dry_run) as cursor:
        end, expired_before = hold(cursor, these)
        if records and records[-1].offset >= end:  # a validator will read them, and count them
            raise StackError(
                f"Partition {partition} will be read again from offset {end} on: --accept-loss or "
                "a restored backup has set it back. Start the replay again."
            )
        before = find(cursor, these, records)
        expired = find_expired(cursor, these)
        rests = readable_rests(cursor, these, records, *stretch)
        new = give_places(rests, records, before, expired)
        deleted = move_on(cursor, these, rests, *stretch)
        recount(cursor, these, records=new - deleted)
        left = [
            record
            for record in records
            if record.offset not in expired
            and may_move(record, before.get(record.offset, NOWHERE), expired_before)
        ]
        places = {r.offset: before[r.offset] for r in left if r.offset in before}
        after = before | put(cursor, replace(batch, records={partition: left}), these, places)
    moves = [
        Move(partition, offset, was, str(place))
        for offset, place in after.items()
        if (was := str(before.get(offset, NOWHERE))) != str(place)
    ]
    return Revalidated(Counter(place.table for place in after.values()), moves, end)


def may_move(record: Record, place: Place, expired_before: datetime) -> bool:
    """Whether a record is moved to where it belongs now; if not, it stays where it is.

    Nothing is inserted again where retention has deleted, not even as a duplicate or conflict. In a
    batch that can no longer be read, each record has a place already: a further row would not be
    counted.
    """
    if place is NOWHERE:
        return record.fault != UNREADABLE and kafka_time(record.kafka_ms) > expired_before
    if place.table == VALID or place.issues == [UNREADABLE]:
        return True
    verdict = verdict_on(record, record.kafka_ms)
    return isinstance(verdict, Rejection) or verdict.timestamp >= expired_before


def put(
    cursor: Cursor, batch: Batch, these: dict[str, Any], before: dict[int, Place]
) -> dict[int, Place]:
    """Move each record to where it belongs by today's rules; returns where that is."""
    offsets = [record.offset for part in batch.records.values() for record in part]
    readings, rejections = validate(batch, before)
    made_room, outcomes = put_readings(cursor, batch.topic, these, before, readings)
    for record, rejection in store.refused(readings, outcomes):
        received_ms = arrival_ms(record, before, batch.received_ms)
        rejections.append((record, rejection, received_ms))
    put_rejections(cursor, batch.topic, these, before, rejections)
    duplicates = {offset for (_, offset), outcome in outcomes.items() if outcome == store.DUPLICATE}
    had = {offset for offset, place in before.items() if place.table == DUPLICATE}
    put_duplicates(cursor, batch.topic, these, had | made_room & set(offsets), duplicates)
    change = len(duplicates) - len(had) + len(made_room - set(offsets))
    recount(cursor, these, duplicates=change)
    after = dict.fromkeys(offsets, Place(VALID))
    after |= dict.fromkeys(duplicates, Place(DUPLICATE))
    return after | {record.offset: Place(INVALID, issues=r.issues) for record, r, _ in rejections}


def validate(batch: Batch, before: dict[int, Place]) -> tuple[list[Valid], list[Invalid]]:
    """Readings and rejections by today's rules, as of each record's arrival."""
    readings: list[Valid] = []
    rejections: list[Invalid] = []
    for part in batch.records.values():
        for record in part:
            received_ms = arrival_ms(record, before, batch.received_ms)
            verdict = verdict_on(record, received_ms)
            if isinstance(verdict, Rejection):
                rejections.append((record, verdict, received_ms))
            else:
                readings.append((record, verdict))
    return readings, rejections


def recount(
    cursor: Cursor, these: dict[str, Any], *, records: int = 0, duplicates: int = 0
) -> None:
    """Add these amounts, which may be negative, to the partition's counts."""
    if records or duplicates:
        change = {"records": records, "duplicates": duplicates}
        cursor.execute(read_sql("stream/recount"), these | change)

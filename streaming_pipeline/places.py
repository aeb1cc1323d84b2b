"""Where the records of a stretch of a partition are: in which table, since when, and why."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from psycopg2.extensions import cursor as Cursor

from pipeline_common.errors import StackError
from pipeline_common.sql_files import read_sql
from streaming_pipeline.record import UNREADABLE, Record
from streaming_pipeline.rules import EPOCH

VALID, INVALID, DUPLICATE = "sensor_readings", "quarantine", "duplicate"
#: How far a stored reading's time may be from its record's Kafka timestamp, by any rules so far.
FARTHEST = timedelta(days=2)
YEAR_2200_MS = 7_258_118_400_000


class Place(NamedTuple):
    """Where a record is: a table, with what that says of it."""

    table: str
    time: datetime | None = None  # of the row
    sensor_id: str | None = None
    issues: list[str] | None = None
    rule_version: int | None = None

    def __str__(self) -> str:
        return f"{self.table}: {', '.join(self.issues)}" if self.issues else self.table


NOWHERE = Place("nowhere")


def hold(cursor: Cursor, these: dict[str, Any]) -> tuple[int, datetime]:
    """Lock the partition: how far it has been read, and up to when retention has been."""
    cursor.execute(read_sql("stream/hold_partition"), these)
    row = cursor.fetchone()
    if row is None:
        raise StackError(
            f"Partition {these['partition']} is read from another topic of this name since: "
            "the topic was deleted and recreated. Start the replay again."
        )
    end, expired_before = row
    cursor.execute(read_sql("stream/raise_decompression_limit"))
    return end, expired_before or EPOCH


def find(cursor: Cursor, these: dict[str, Any], records: list[Record]) -> dict[int, Place]:
    """Where each of the records is now; those that are nowhere are left out.

    The row of a batch that could not be read may be at an offset that has a row of its own. It is
    the place of its record only while that cannot be read.
    """
    faults = {record.offset: record.fault for record in records}
    cursor.execute(read_sql("stream/find_records"), these)
    found = [(offset, Place(*place)) for offset, *place in cursor if offset in faults]
    own = {offset: place for offset, place in found if place.issues != [UNREADABLE]}
    unread = {offset: place for offset, place in found if place.issues == [UNREADABLE]}
    return own | {at: place for at, place in unread.items() if faults[at] == UNREADABLE}


def find_expired(cursor: Cursor, these: dict[str, Any]) -> set[int]:
    """The offsets whose rows retention has deleted."""
    cursor.execute(read_sql("stream/find_expired"), these)
    return {offset for first, after in cursor for offset in range(first, after)}


def arrival_ms(record: Record, before: dict[int, Place], now_ms: int) -> int:
    """When a record arrived: a row in quarantine says it; a reading that was taken was in time."""
    place = before.get(record.offset, NOWHERE)
    if place.table == INVALID and place.time:
        return (place.time - EPOCH) // timedelta(milliseconds=1)
    return now_ms if place is NOWHERE else record.kafka_ms


def kafka_time(kafka_ms: int) -> datetime:
    """A Kafka timestamp, which may be any, as a time that PostgreSQL and Python hold."""
    return EPOCH + timedelta(milliseconds=min(max(kafka_ms, 0), YEAR_2200_MS))

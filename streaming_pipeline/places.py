"""Where the records of a range of offsets are stored: in which table, since when, and why."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from psycopg2.extensions import cursor as Cursor

from pipeline_common.errors import StackError
from pipeline_common.sql_files import read_sql
from streaming_pipeline.record import UNREADABLE, Record
from streaming_pipeline.rules import EPOCH

VALID, INVALID, DUPLICATE = "sensor_readings", "quarantine", "duplicate"
#: The largest difference between a reading's time and its Kafka timestamp in any rule version.
FARTHEST = timedelta(days=2)
YEAR_2200_MS = 7_258_118_400_000


class Place(NamedTuple):
    """Where a record is stored: a table, with what its row says about the record."""

    table: str
    time: datetime | None = None  # of the row
    sensor_id: str | None = None
    issues: list[str] | None = None
    rule_version: int | None = None

    def __str__(self) -> str:
        return f"{self.table}: {', '.join(self.issues)}" if self.issues else self.table


NOWHERE = Place("nowhere")


def hold(cursor: Cursor, these: dict[str, Any]) -> tuple[int, datetime]:
    """Lock the partition; returns its next offset, and up to which time retention has deleted."""
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
    """Where each of the records is stored; those that are not stored are left out.

    The row of an unreadable record batch may have the offset of a record that has a row of its own.
    It counts as the record's place only as long as the record cannot be read.
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
    """When a record arrived: as its row in quarantine says; a stored reading arrived in time."""
    place = before.get(record.offset, NOWHERE)
    if place.table == INVALID and place.time:
        return (place.time - EPOCH) // timedelta(milliseconds=1)
    return now_ms if place is NOWHERE else record.kafka_ms


def kafka_time(kafka_ms: int) -> datetime:
    """A Kafka timestamp, which may have any value, as a time that PostgreSQL and Python accept."""
    return EPOCH + timedelta(milliseconds=min(max(kafka_ms, 0), YEAR_2200_MS))

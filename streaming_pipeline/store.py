"""The database side of the stream: rows and offsets in one transaction, or neither.

The row of `stream_offsets` is the truth about how far a partition has been read. Who writes a batch
first locks that row and looks whether it still says what he expects. If it does not, another
validator has been there (or this one, whose COMMIT arrived though its answer did not): then nothing
is written. That is the whole of exactly-once; docs/delivery-guarantees.md has the proof.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import StringIO
from os import dup
from socket import SHUT_RDWR, socket
from threading import Timer
from typing import Any, NamedTuple

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from streaming_pipeline.batch import READING_COLUMNS, REJECTION_COLUMNS, Batch, rejection_line

ANSWER_SECONDS = 60  # a database that is silent for so long is taken for gone

STAGING = """
CREATE TEMP TABLE IF NOT EXISTS staging (
    time timestamptz, sensor_id text COLLATE "C", temperature double precision,
    humidity double precision, pressure double precision, location text, extra jsonb,
    partition integer, "offset" bigint
) ON COMMIT DELETE ROWS"""

# Sorted by partition, so that two validators lock in the same order and never wait in a ring.
LOCK_OFFSETS = """
SELECT o.partition FROM stream_offsets o
JOIN (VALUES %s) AS expected (topic, partition, next_offset)
  USING (topic, partition, next_offset)
ORDER BY o.partition FOR UPDATE OF o"""

# What the unique key (sensor_id, time) refuses comes back as partition and offset.
INSERT_READINGS = f"""
WITH stored AS (
    INSERT INTO sensor_readings ({READING_COLUMNS}, topic)
    SELECT {READING_COLUMNS}, %(topic)s FROM staging
    ON CONFLICT DO NOTHING RETURNING partition, "offset"
)
SELECT partition, "offset" FROM staging LEFT JOIN stored USING (partition, "offset")
WHERE stored.partition IS NULL"""  # noqa: S608 - made of constants

# Of those refused: which say something else than the reading that is already there?
FIND_CONFLICTS = """
SELECT s.partition, s."offset", s.sensor_id
FROM (VALUES %s) AS refused (partition, "offset")
JOIN staging s USING (partition, "offset")
JOIN sensor_readings r ON r.sensor_id = s.sensor_id AND r.time = s.time
WHERE r.time BETWEEN (SELECT min(time) FROM staging) AND (SELECT max(time) FROM staging)
  AND (r.temperature, r.humidity, r.pressure, r.location, r.extra)
      IS DISTINCT FROM (s.temperature, s.humidity, s.pressure, s.location, s.extra)"""

ADVANCE_OFFSETS = """
UPDATE stream_offsets o
SET next_offset = new.next_offset, records = o.records + new.records,
    duplicates = o.duplicates + new.duplicates, updated_at = now()
FROM (VALUES %s) AS new (topic, partition, next_offset, records, duplicates)
WHERE o.topic = new.topic AND o.partition = new.partition"""


ENTER_OFFSETS = """
INSERT INTO stream_offsets (topic, partition, topic_id, next_offset) VALUES %s
ON CONFLICT DO NOTHING"""
READ_OFFSETS = """
SELECT partition, topic_id::text, next_offset FROM stream_offsets
WHERE topic = %s AND partition = ANY (%s)"""
ACCEPT_LOSS = """
UPDATE stream_offsets SET topic_id = %s, next_offset = %s WHERE topic = %s AND partition = %s"""

Offsets = dict[int, tuple[str, int]]


class Counts(NamedTuple):
    """What became of a batch's records."""

    valid: int
    invalid: int
    duplicates: dict[int, int]  # by partition


class Fenced(Exception):
    """Another writer has moved the offsets: this batch must not be written."""


def connect(login: dict[str, Any]) -> Connection:
    """A connection with its staging table; it notices a peer that is gone."""
    connection: Connection = psycopg2.connect(
        **login,
        connect_timeout=5,
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        tcp_user_timeout=ANSWER_SECONDS * 1000,
        application_name="stream_validator",
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(STAGING)
        # If this client vanishes in mid-transaction, the server must not keep its locks for long.
        cursor.execute("SET idle_in_transaction_session_timeout = '60s'")
    return connection


@contextmanager
def transaction(connection: Connection) -> Iterator[Cursor]:
    """One transaction; cuts the connection if it takes longer than ANSWER_SECONDS."""
    watchdog = Timer(ANSWER_SECONDS, _cut, [connection])
    watchdog.daemon = True
    watchdog.start()
    try:
        with connection, connection.cursor() as cursor:
            yield cursor
    finally:
        watchdog.cancel()


def _cut(connection: Connection) -> None:
    with socket(fileno=dup(connection.fileno())) as other_handle:
        other_handle.shutdown(SHUT_RDWR)  # the thread that waits for an answer gets an error


def read_offsets(
    connection: Connection, topic: str, topic_id: str, first: dict[int, int]
) -> Offsets:
    """Where the database stands in each partition: (topic id, next offset).

    A partition that it does not know yet is entered with its `first` offset.
    """
    rows = [(topic, partition, topic_id, offset) for partition, offset in first.items()]
    with transaction(connection) as cursor:
        execute_values(cursor, ENTER_OFFSETS, rows)
        cursor.execute(READ_OFFSETS, (topic, list(first)))
        return {partition: (uuid, offset) for partition, uuid, offset in cursor}


def accept_loss(
    connection: Connection, topic: str, topic_id: str, partition: int, offset: int
) -> None:
    """Go on at `offset`, though records before it can no longer be read."""
    with transaction(connection) as cursor:
        cursor.execute(ACCEPT_LOSS, (topic_id, offset, topic, partition))


def write(connection: Connection, topic: str, batch: Batch) -> Counts:
    """Store a batch and move the offsets in one transaction; raises Fenced, or psycopg2.Error."""
    with transaction(connection) as cursor:
        lock_offsets(cursor, topic, batch.expected)
        counts = store(cursor, topic, batch)
        moves = [
            (topic, p, part[-1].offset + 1, len(part), counts.duplicates.get(p, 0))
            for p, part in batch.records.items()
        ]
        execute_values(cursor, ADVANCE_OFFSETS, moves)
    return counts


def lock_offsets(cursor: Cursor, topic: str, expected: dict[int, int]) -> None:
    """Lock the partitions until the transaction ends; raises Fenced if one has moved on."""
    rows = [(topic, partition, offset) for partition, offset in expected.items()]
    if len(execute_values(cursor, LOCK_OFFSETS, rows, fetch=True)) != len(expected):
        raise Fenced


def store(cursor: Cursor, topic: str, batch: Batch) -> Counts:
    """Store a batch's rows: new readings, rejections, and readings that contradict a stored one."""
    copy(cursor, f"staging ({READING_COLUMNS})", batch.readings)
    cursor.execute(INSERT_READINGS, {"topic": topic})
    refused = set(cursor.fetchall())
    conflicts = find_conflicts(cursor, refused)
    refused -= conflicts.keys()
    rejections = [*batch.rejections, *conflict_lines(batch, conflicts)]
    copy(cursor, f"sensor_readings_invalid ({REJECTION_COLUMNS})", rejections)
    duplicates: dict[int, int] = {}
    for partition, _ in refused:
        duplicates[partition] = duplicates.get(partition, 0) + 1
    valid = len(batch.readings) - len(refused) - len(conflicts)
    return Counts(valid, len(rejections), duplicates)


def find_conflicts(cursor: Cursor, refused: set[tuple[int, int]]) -> dict[tuple[int, int], str]:
    """Refused readings whose values differ from those stored: their position and sensor."""
    if not refused:
        return {}
    rows = execute_values(cursor, FIND_CONFLICTS, refused, page_size=len(refused), fetch=True)
    return {(partition, offset): sensor_id for partition, offset, sensor_id in rows}


def conflict_lines(batch: Batch, conflicts: dict[tuple[int, int], str]) -> Iterator[str]:
    """Quarantine rows of readings that contradict a stored one."""
    partitions = {partition for partition, _ in conflicts}
    for partition in partitions:
        for record in batch.records[partition]:
            if sensor_id := conflicts.get((partition, record.offset)):
                yield rejection_line(record, sensor_id, ["conflict"])


def copy(cursor: Cursor, target: str, lines: Iterable[str]) -> None:
    """COPY lines in text format into `target`, a table with its columns."""
    cursor.copy_expert(f"COPY {target} FROM STDIN", StringIO("".join(lines)))

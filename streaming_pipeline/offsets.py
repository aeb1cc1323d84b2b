"""How far each partition has been read: `stream_offsets`, which is the source of truth.

A validator that writes a batch first locks these rows and checks that they have the offsets that
it expects. If not, another validator has written the records (or this one has, and the response to
its COMMIT was lost), and nothing is written. That is all that exactly-once takes;
docs/delivery-guarantees.md has the proof.
"""

from typing import NamedTuple

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from pipeline_common.sql_files import read_sql
from streaming_pipeline.database import transaction
from streaming_pipeline.kafka_topic import Topic
from streaming_pipeline.positions import LastRead
from streaming_pipeline.record import Record
from streaming_pipeline.record_batch import Batch


class Offset(NamedTuple):
    """The next offset to read in a partition of the topic with that id."""

    topic_id: str
    next: int
    last: LastRead | None = None  # None: not known


class Fenced(Exception):
    """Another writer has moved the offsets: this batch must not be written."""


def read(connection: Connection, topic: str) -> dict[int, Offset]:
    """The stored offset of each partition that the database knows."""
    with transaction(connection) as cursor:
        cursor.execute(read_sql("stream/read_offsets"), (topic,))
        return {
            partition: Offset(topic_id, after, LastRead(*last) if None not in last else None)
            for partition, topic_id, after, *last in cursor
        }


def enter(connection: Connection, topic: Topic, first: dict[int, int]) -> dict[int, Offset]:
    """Insert partitions that the database does not know, with their first offset; then read."""
    rows = [(topic.name, partition, topic.id, offset) for partition, offset in first.items()]
    with transaction(connection) as cursor:
        execute_values(cursor, read_sql("stream/enter_partitions"), rows)
    return read(connection, topic.name)


def lock(cursor: Cursor, topic: Topic, expected: dict[int, int]) -> None:
    """Lock the partitions until the transaction ends; raises Fenced if one has moved on."""
    rows = [(*topic, partition, offset) for partition, offset in expected.items()]
    if len(execute_values(cursor, read_sql("stream/lock_offsets"), rows, fetch=True)) != len(
        expected
    ):
        raise Fenced


def advance(cursor: Cursor, batch: Batch, duplicates: dict[int, int]) -> None:
    """Advance the offsets past a batch that was stored, and count its records."""
    rows = [
        (batch.topic.name, p, batch.after[p], len(records), duplicates.get(p, 0), *last_of(records))
        for p, records in batch.records.items()
    ]
    execute_values(cursor, read_sql("stream/advance_offsets"), rows)


def last_of(records: list[Record]) -> tuple[int, int] | tuple[None, None]:
    """Offset and Kafka timestamp of the last record that could be read."""
    readable = (record for record in reversed(records) if not record.fault)
    return next(((record.offset, record.kafka_ms) for record in readable), (None, None))

"""How far each partition has been read: the rows of `stream_offsets`, the truth about it.

Who writes a batch first locks these rows and looks whether they still say what he expects. If they
do not, another validator has been there (or this one, whose COMMIT arrived though its answer did
not): then nothing is written. That is the whole of exactly-once; docs/delivery-guarantees.md has
the proof.
"""

from typing import NamedTuple

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from streaming_pipeline.batch import Batch
from streaming_pipeline.database import transaction
from streaming_pipeline.kafka_topic import Topic

ENTER = """
INSERT INTO stream_offsets (topic, partition, topic_id, next_offset) VALUES %s
ON CONFLICT DO NOTHING"""
READ = "SELECT partition, topic_id::text, next_offset FROM stream_offsets WHERE topic = %s"
ACCEPT_LOSS = """
UPDATE stream_offsets SET topic_id = %s, next_offset = %s WHERE topic = %s AND partition = %s"""

# Sorted by partition, so that two validators lock in the same order and never wait in a ring.
LOCK = """
SELECT o.partition FROM stream_offsets o
JOIN (VALUES %s) AS expected (topic, topic_id, partition, next_offset)
  ON o.topic = expected.topic AND o.topic_id = expected.topic_id::uuid
 AND o.partition = expected.partition AND o.next_offset = expected.next_offset
ORDER BY o.partition FOR UPDATE OF o"""

ADVANCE = """
UPDATE stream_offsets o
SET next_offset = new.next_offset, records = o.records + new.records,
    duplicates = o.duplicates + new.duplicates, updated_at = now()
FROM (VALUES %s) AS new (topic, partition, next_offset, records, duplicates)
WHERE o.topic = new.topic AND o.partition = new.partition"""


class Offset(NamedTuple):
    """The next record of a partition, in the topic of that id."""

    topic_id: str
    next: int


class Fenced(Exception):
    """Another writer has moved the offsets: this batch must not be written."""


def read(connection: Connection, topic: str) -> dict[int, Offset]:
    """Where the database stands in each partition that it knows."""
    with transaction(connection) as cursor:
        cursor.execute(READ, (topic,))
        return {partition: Offset(topic_id, after) for partition, topic_id, after in cursor}


def enter(connection: Connection, topic: Topic, first: dict[int, int]) -> dict[int, Offset]:
    """Enter partitions that the database does not know with their first offset; then read."""
    rows = [(topic.name, partition, topic.id, offset) for partition, offset in first.items()]
    with transaction(connection) as cursor:
        execute_values(cursor, ENTER, rows)
    return read(connection, topic.name)


def accept_loss(connection: Connection, topic: Topic, partition: int, offset: int) -> None:
    """Go on at `offset`, though records before it can no longer be read."""
    with transaction(connection) as cursor:
        cursor.execute(ACCEPT_LOSS, (topic.id, offset, topic.name, partition))


def lock(cursor: Cursor, topic: Topic, expected: dict[int, int]) -> None:
    """Lock the partitions until the transaction ends; raises Fenced if one has moved on."""
    rows = [(*topic, partition, offset) for partition, offset in expected.items()]
    if len(execute_values(cursor, LOCK, rows, fetch=True)) != len(expected):
        raise Fenced


def advance(cursor: Cursor, batch: Batch, duplicates: dict[int, int]) -> None:
    """Move the offsets behind a batch that was stored, and count its records."""
    rows = [
        (batch.topic.name, p, batch.after[p], len(records), duplicates.get(p, 0))
        for p, records in batch.records.items()
    ]
    execute_values(cursor, ADVANCE, rows)

"""Judge anew, by the rules of today, what the database has read: `stream_validator.py --replay`.

Record by record, in the order of the offsets: what the rules now take leaves quarantine, what they
no longer take enters it. Each batch is one transaction that holds the partition's row of
`stream_offsets`, so a live validator can neither be overtaken nor be in the way, and a replay that
was ended at any moment is simply repeated. Rows whose records Kafka no longer holds stay as they
are. docs/delivery-guarantees.md says why the result is that of a first reading.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from functools import partial
from threading import Event
from typing import Any, NamedTuple

from kafka import KafkaConsumer, TopicPartition
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from pipeline_settings import Settings
from streaming_pipeline import offsets, store
from streaming_pipeline.batch import Batch
from streaming_pipeline.database import Database, transaction
from streaming_pipeline.kafka_topic import READING, Topic, ensure_topic
from streaming_pipeline.rows import origin_of
from streaming_pipeline.waiting import until_it_works

PROGRESS_SECONDS = 5.0
log = logging.getLogger("replay")

HOLD = """
SELECT next_offset FROM stream_offsets
WHERE topic = %s AND topic_id = %s AND partition = %s FOR UPDATE"""

# The first of equal readings counts. Where that is now an earlier record than the one stored, the
# stored one makes room; it counts as a duplicate until this replay comes to it.
MAKE_ROOM = """
WITH later AS (
    DELETE FROM sensor_readings r USING staging s
    WHERE r.sensor_id = s.sensor_id AND r.time = s.time
      AND r.time BETWEEN (SELECT min(time) FROM staging) AND (SELECT max(time) FROM staging)
      AND r.topic_id = %(topic_id)s AND r.partition = s.partition AND r."offset" > s."offset"
    RETURNING r.topic, r.topic_id, r.partition, r."offset"
)
INSERT INTO stream_duplicates (topic, topic_id, partition, "offset") SELECT * FROM later"""

# Readings that are stored as they would be stored now: they stay where they are.
KEPT = """
SELECT s."offset" FROM staging s
JOIN sensor_readings r ON r.sensor_id = s.sensor_id AND r.time = s.time
WHERE r.time BETWEEN (SELECT min(time) FROM staging) AND (SELECT max(time) FROM staging)
  AND (r.topic_id, r.partition, r."offset") = (%(topic_id)s, s.partition, s."offset")
  AND (r.temperature, r.humidity, r.pressure, r.location, r.extra)
      IS NOT DISTINCT FROM (s.temperature, s.humidity, s.pressure, s.location, s.extra)"""

THESE = """
WHERE topic_id = %(topic_id)s AND partition = %(partition)s
  AND "offset" BETWEEN %(first)s AND %(last)s AND "offset" = ANY (%(offsets)s)"""
FORGET_READINGS = f'DELETE FROM sensor_readings {THESE} RETURNING "offset"'  # noqa: S608
FORGET_REJECTIONS = f'DELETE FROM sensor_readings_invalid {THESE} RETURNING "offset"'  # noqa: S608
FORGET_DUPLICATES = f'DELETE FROM stream_duplicates {THESE} RETURNING "offset"'  # noqa: S608
FIND_REJECTIONS = f'SELECT "offset" FROM sensor_readings_invalid {THESE}'  # noqa: S608
FIND_DUPLICATES = f'SELECT "offset" FROM stream_duplicates {THESE}'  # noqa: S608

COUNT_DUPLICATES = """
UPDATE stream_offsets SET duplicates = duplicates + %s, updated_at = now()
WHERE topic = %s AND topic_id = %s AND partition = %s"""

SUMMARIZE = """
SELECT brin_summarize_new_values(c.oid) FROM pg_class c JOIN pg_am a ON a.oid = c.relam
WHERE a.amname = 'brin' AND c.relkind = 'i' AND pg_has_role(c.relowner, 'USAGE')"""


class Places(NamedTuple):
    """Offsets of one partition by the table that holds their record."""

    valid: set[int]
    invalid: set[int]
    duplicate: set[int]


class Rejudged(NamedTuple):
    """A batch before and after, and how far the database has read its partition."""

    before: Places
    after: Places
    end: int


class Replay:
    """Goes over a topic again, from the beginning or from a time."""

    def __init__(
        self, settings: Settings, topic: str, since: datetime | None, stopping: Event
    ) -> None:
        self.bootstrap = settings.kafka_bootstrap_servers
        self.database = Database(settings.timescale, stopping)
        self.since = since
        self.stopping = stopping
        self.topic: Topic = self.ask_kafka(partial(ensure_topic, self.bootstrap, topic))
        self.totals: Counter[str] = Counter()  # of the last pass
        self.moved: Counter[str] = Counter()  # of all passes
        self.last_said = time.monotonic()

    def ask_kafka(self, question: Any) -> Any:
        """Kafka's answer, however long it is away."""
        return until_it_works(f"Kafka at {self.bootstrap}", question, self.stopping)

    def run(self) -> None:
        """Judge anew until nothing changes any more.

        A reading that enters quarantine may have duplicates in a partition that has been gone over
        before; one of them is found to be valid when that partition is gone over once more.
        """
        self.database.do(summarize)
        left = -1
        while left != self.moved["left sensor_readings"] and not self.stopping.is_set():
            left = self.moved["left sensor_readings"]
            self.totals.clear()
            self.go_over()

    def go_over(self) -> None:
        """Judge all partitions once."""
        known = self.database.do(partial(offsets.read, topic=self.topic.name))
        new_consumer = partial(KafkaConsumer, bootstrap_servers=self.bootstrap, **READING)
        with closing(self.ask_kafka(new_consumer)) as consumer:
            for partition, stored in sorted(known.items()):
                if stored.topic_id != self.topic.id:
                    log.warning(
                        "partition %d was read from another topic of this name, which Kafka no "
                        "longer holds: its rows stay as they are",
                        partition,
                    )
                    continue
                for batch in self.batches(consumer, partition, stored.next):
                    self.count(batch)

    def batches(self, consumer: KafkaConsumer, partition: int, end: int) -> Iterator[Rejudged]:
        """Judge and store a partition's records anew, up to where the database has read it."""
        part = TopicPartition(self.topic.name, partition)
        consumer.assign([part])
        position = self.ask_kafka(partial(self.start, consumer, part))
        consumer.seek(part, position)
        while position < end and not self.stopping.is_set():
            polled = self.ask_kafka(lambda: consumer.poll(timeout_ms=500)).get(part, [])
            records = [record for record in polled if record.offset < end]
            if not records:  # only marks of transactions are left, or Kafka is slow
                position = consumer.position(part, timeout_ms=1000) or position
                continue
            expected, position = position, records[-1].offset + 1
            batch = Batch(
                self.topic, {partition: records}, {partition: expected}, {partition: position}
            )
            done = self.database.do(partial(store_anew, batch=batch.judge()))
            if len(records) < len(polled):
                consumer.seek(part, position)
            end = done.end
            yield done

    def start(self, consumer: KafkaConsumer, part: TopicPartition) -> int:
        """The first offset to judge."""
        if self.since is not None:
            times = {part: int(self.since.timestamp() * 1000)}
            found = consumer.offsets_for_times(times)[part]
            offset = found.offset if found else consumer.end_offsets([part])[part]
        else:
            offset = consumer.beginning_offsets([part])[part]
        return int(offset)

    def count(self, batch: Rejudged) -> None:
        """Add a batch to the totals; tell how far we are, now and then."""
        before, after = batch.before, batch.after
        for place in Places._fields:
            self.totals[place] += len(getattr(after, place))
        self.moved["left sensor_readings"] += len(before.valid - after.valid)
        self.moved["entered sensor_readings"] += len(after.valid - before.valid)
        self.moved["left quarantine"] += len(before.invalid - after.invalid)
        self.moved["entered quarantine"] += len(after.invalid - before.invalid)
        if time.monotonic() - self.last_said > PROGRESS_SECONDS:
            self.last_said = time.monotonic()
            log.info("%d records judged anew", self.totals.total())


def summarize(connection: Connection) -> None:
    """Let the index of offsets know the rows that were written last."""
    with transaction(connection) as cursor:
        cursor.execute(SUMMARIZE)


def store_anew(connection: Connection, batch: Batch) -> Rejudged:
    """Put each record of one partition's batch where it belongs now, in one transaction."""
    [(partition, records)] = batch.records.items()
    these = {
        "topic_id": batch.topic.id,
        "partition": partition,
        "first": records[0].offset,
        "last": records[-1].offset,
        "offsets": [record.offset for record in records],
    }
    with transaction(connection) as cursor:
        [end] = fetch(cursor, HOLD, (*batch.topic, partition))
        cursor.execute(store.MAKE_STAGING)
        store.stage(cursor, batch.all_readings())
        cursor.execute(MAKE_ROOM, these)
        made_room = cursor.rowcount
        kept = fetch(cursor, KEPT, these)
        before = forget(cursor, these, kept)
        readings = {k: row for k, row in batch.readings.items() if origin_of(row)[1] not in kept}
        store.store(cursor, replace(batch, readings=readings))
        invalid = fetch(cursor, FIND_REJECTIONS, these)
        duplicate = fetch(cursor, FIND_DUPLICATES, these)
        after = Places(set(these["offsets"]) - invalid - duplicate, invalid, duplicate)
        if change := len(duplicate) - len(before.duplicate) + made_room:
            cursor.execute(COUNT_DUPLICATES, (change, *batch.topic, partition))
    return Rejudged(before, after, end)


def forget(cursor: Cursor, these: dict[str, Any], kept: set[int]) -> Places:
    """Take records out of all tables, but for readings that stay; say where they were."""
    invalid = fetch(cursor, FORGET_REJECTIONS, these)
    duplicate = fetch(cursor, FORGET_DUPLICATES, these)
    others = set(these["offsets"]) - kept - invalid - duplicate
    valid = fetch(cursor, FORGET_READINGS, these | {"offsets": list(others)}) if others else set()
    return Places(kept | valid, invalid, duplicate)


def fetch(cursor: Cursor, query: str, values: Any) -> set[int]:
    """The one column of a query's rows."""
    cursor.execute(query, values)
    return {row[0] for row in cursor}

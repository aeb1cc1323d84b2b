"""Reads a topic again, partition by partition, and re-validates its records by today's rules."""

import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from functools import partial
from threading import Event

from psycopg2.extensions import connection as Connection

from pipeline_common.console import counted
from pipeline_common.errors import StackError
from pipeline_common.settings import Settings
from pipeline_common.sql_files import read_sql
from streaming_pipeline import offsets
from streaming_pipeline.client import Held, Stretch
from streaming_pipeline.database import Database, transaction
from streaming_pipeline.kafka_python_client import KafkaPythonClient
from streaming_pipeline.kafka_topic import Topic, ensure_topic
from streaming_pipeline.places import VALID
from streaming_pipeline.record_batch import Batch
from streaming_pipeline.revalidation import Move, revalidate
from streaming_pipeline.waiting import Server
from streaming_pipeline.writer import do_in_parts

PROGRESS_SECONDS = 5.0
log = logging.getLogger("replay")


class Replay:
    """Reads a topic again, from the beginning or from a time."""

    def __init__(
        self,
        settings: Settings,
        topic: str,
        since: datetime | None,
        *,
        dry_run: bool,
        stopping: Event,
    ) -> None:
        self.bootstrap = settings.kafka_bootstrap_servers
        self.database = Database(settings.timescale, stopping)
        self.since = since
        self.dry_run = dry_run
        self.stopping = stopping
        self.kafka = Server(f"Kafka at {self.bootstrap}", stopping)
        self.topic: Topic = self.kafka.ask(partial(ensure_topic, self.bootstrap, topic))
        self.totals: Counter[str] = Counter()  # records by table, of the last pass
        self.moves: Counter[tuple[str, str]] = Counter()  # from where to where, of all passes
        self.first: dict[tuple[str, str], Move] = {}
        self.last_said = time.monotonic()

    def run(self) -> None:
        """Re-validate until nothing changes any more.

        A reading that moves to quarantine may have duplicates in a partition that was re-validated
        earlier; one of them becomes valid when that partition is re-validated once more.
        """
        self.database.do(summarize)
        left_readings = True
        while left_readings and not self.stopping.is_set():
            self.totals.clear()
            left_readings = self.go_over() and not self.dry_run

    def go_over(self) -> bool:
        """Re-validate all partitions once; whether a reading has left its table."""
        left_readings = False
        known = self.database.do(partial(offsets.read, topic=self.topic.name))
        new_client = partial(KafkaPythonClient, self.bootstrap, self.topic.name, None)
        with closing(self.kafka.ask(new_client)) as client:
            for partition, stored in sorted(known.items()):
                if stored.topic_id != self.topic.id:
                    log.warning(
                        "partition %d was read from another topic of this name, which Kafka no "
                        "longer holds: its rows stay as they are",
                        partition,
                    )
                    continue
                self.refuse_another_log(client, partition, stored)
                for move in self.go_over_partition(client, partition, stored):
                    left_readings |= move.before == VALID
                    self.moves[move.before, move.after] += 1
                    self.first.setdefault((move.before, move.after), move)
        return left_readings

    def refuse_another_log(
        self, client: KafkaPythonClient, partition: int, stored: offsets.Offset
    ) -> None:
        """Raise StackError if Kafka has lost records that were read: others would replace them."""
        held = self.refuse_a_log_that_ends_before(client, partition, stored.next)
        last = stored.last
        if last is None or last.offset < held.first:
            return
        client.assign([partition])
        client.seek(partition, last.offset)
        position = last.offset
        while position <= last.offset and not self.stopping.is_set():
            stretch = self.kafka.ask(lambda: client.poll(0.5)).stretches.get(partition)
            if stretch is None:
                self.refuse_a_log_that_ends_before(client, partition, stored.next)
                continue
            position = stretch.after
            refuse_another_record(partition, stored, stretch)

    def refuse_a_log_that_ends_before(
        self, client: KafkaPythonClient, partition: int, end: int
    ) -> Held:
        """The offsets that Kafka holds; raises StackError if it has lost records that were read."""
        held = self.kafka.ask(partial(client.held, [partition])).get(partition, Held(0, 0))
        if held.end < end:
            raise StackError(
                f"Kafka no longer holds all that was read of partition {partition}: nothing after "
                f"offset {held.end - 1}. What is in the database stays as it is."
            )
        return held

    def go_over_partition(
        self, client: KafkaPythonClient, partition: int, stored: offsets.Offset
    ) -> Iterator[Move]:
        """Re-validate a partition's records, up to the stored offset."""
        end = stored.next
        client.assign([partition])
        position = self.kafka.ask(partial(self.start, client, partition))
        client.seek(partition, position)
        action = partial(revalidate, dry_run=self.dry_run)
        while position < end and not self.stopping.is_set():
            stretch = self.kafka.ask(lambda: client.poll(0.5)).stretches.get(partition)
            if stretch is None:
                self.refuse_a_log_that_ends_before(client, partition, position + 1)
                continue
            refuse_another_record(partition, stored, stretch)  # truncated during the replay
            position = stretch.after
            records = [record for record in stretch.records if record.offset < end]
            if len(records) < len(stretch.records):  # the others have not been read yet
                position = end
                client.seek(partition, position)
            if position <= stretch.start:  # ended within a batch, or Kafka has deleted the rest
                continue
            batch = Batch(
                self.topic, {partition: records}, {partition: stretch.start}, {partition: position}
            )
            for done in do_in_parts(self.database, action, batch):
                end = done.end
                self.totals.update(done.counts)
                yield from done.moves
            if time.monotonic() - self.last_said > PROGRESS_SECONDS:
                self.last_said = time.monotonic()
                log.info("%s re-validated", counted(self.totals.total(), "record"))

    def start(self, client: KafkaPythonClient, partition: int) -> int:
        """The first offset to re-validate."""
        held = client.held([partition])[partition]
        if self.since is None:
            return held.first
        found = client.offset_at(partition, max(int(self.since.timestamp() * 1000), 0))
        return held.end if found is None else found


def refuse_another_record(partition: int, stored: offsets.Offset, stretch: Stretch) -> None:
    """Raise StackError if the stretch has another record in place of the last one read."""
    if stored.last and stored.last.is_replaced(stretch):
        raise StackError(
            f"Kafka no longer holds all that was read of partition {partition}: its log was "
            f"truncated before offset {stored.next} and written again. What is in the database "
            "stays as it is."
        )


def summarize(connection: Connection) -> None:
    """Summarize the newest blocks in the BRIN indexes on offsets."""
    with transaction(connection) as cursor:
        cursor.execute(read_sql("stream/summarize_offsets"))

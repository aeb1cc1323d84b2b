"""One member of the consumer group: reads on where the database says, not where Kafka says.

Between two reads the position of a partition is either known, and then the next record must follow
on it, or in doubt (None), and then nothing of it is taken until the database has been asked.
"""

import logging
from collections import deque
from collections.abc import Iterable
from functools import partial
from threading import Event
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import IllegalStateError

from pipeline_console import StackError
from streaming_pipeline import offsets
from streaming_pipeline.batch import Batch
from streaming_pipeline.database import Database
from streaming_pipeline.kafka_topic import READING, Topic, ensure_topic
from streaming_pipeline.waiting import until_it_works

POLL_MS = 200
log = logging.getLogger("stream")


class Reader(ConsumerRebalanceListener):  # type: ignore[misc]
    """The records of the partitions that the group gives us, each once and in order."""

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        group: str,
        *,
        database: Database,
        stopping: Event,
        accept_loss: bool,
    ) -> None:
        self.bootstrap = bootstrap
        self.database = database
        self.stopping = stopping
        self.accept_loss = accept_loss
        self.position: dict[int, int | None] = {}  # next offset to read; None: in doubt
        self.assignments: deque[list[TopicPartition]] = deque()
        self.topic: Topic = self.ask_kafka(partial(ensure_topic, bootstrap, topic))
        self.consumer: KafkaConsumer = self.ask_kafka(partial(self._subscribe, group))

    def _subscribe(self, group: str) -> KafkaConsumer:
        consumer = KafkaConsumer(
            bootstrap_servers=self.bootstrap, group_id=group, session_timeout_ms=10_000, **READING
        )
        consumer.subscribe([self.topic.name], listener=self)
        consumer.partitions_for_topic(self.topic.name)  # unknown ones would need a second join
        return consumer

    def ask_kafka(self, question: Any) -> Any:
        """Kafka's answer, however long it is away."""
        return until_it_works(f"Kafka at {self.bootstrap}", question, self.stopping)

    def part(self, partition: int) -> TopicPartition:
        """Kafka's name of a partition."""
        return TopicPartition(self.topic.name, partition)

    # --- The group gives and takes partitions. Called in the consumer's thread: only noted here ---

    def on_partitions_revoked(self, revoked: list[TopicPartition]) -> None:
        """Forget them. A batch in hand may still be written: the fence decides."""
        self.assignments.append([])

    def on_partitions_assigned(self, assigned: list[TopicPartition]) -> None:
        """Read them, once the database has said from where."""
        self.assignments.append(assigned)

    # --- Reading ---

    def read(self) -> Batch:
        """The next records. They must follow on those before, else their partition is in doubt."""
        polled = self.ask_kafka(self.poll)
        while self.assignments:
            self.position = dict.fromkeys(part.partition for part in self.assignments.popleft())
            polled = {}
        records: dict[int, list[ConsumerRecord]] = {}
        after: dict[int, int] = {}
        for part, found in polled.items():
            if self.follows(part.partition, found[0].offset):
                records[part.partition] = found
                after[part.partition] = found[-1].offset + 1
            else:
                self.doubt([part.partition])
        if not polled:
            after = self.passed_gaps()
            records = {partition: [] for partition in after}
        expected = {partition: self.position[partition] or 0 for partition in after}
        self.position.update(after)
        return Batch(self.topic, records, expected, after)

    def poll(self) -> dict[TopicPartition, list[ConsumerRecord]]:
        """What Kafka has for us now; also sees to it that a join of the group comes to its end.

        kafka-python 3.0.12 forgets a join that outlasts the poll in which changed metadata began
        it: such a member has no partitions from then on, sends no heartbeats and does not notice.
        """
        coordinator = self.consumer._coordinator
        if coordinator.rejoining:
            coordinator.request_rejoin()
        polled: dict[TopicPartition, list[ConsumerRecord]] = self.consumer.poll(timeout_ms=POLL_MS)
        return polled

    def follows(self, partition: int, offset: int) -> bool:
        """Whether `offset` is the next record: compaction and transactions leave gaps in a topic,
        but where Kafka no longer holds our position, what it held there is lost.
        """
        position = self.position.get(partition)
        if position is None or offset < position:
            return False
        return offset == position or self.first([partition])[partition] <= position

    def passed_gaps(self) -> dict[int, int]:
        """Offsets behind which a partition goes on, where only the mark of a transaction stood."""
        passed = {}
        for partition, position in self.position.items():
            if position is not None and self.is_held(partition):
                reached = self.consumer.position(self.part(partition), timeout_ms=1000)
                if reached and reached > position and self.follows(partition, reached):
                    passed[partition] = reached
        return {} if self.assignments else passed  # the consumer's positions may be another's

    def is_held(self, partition: int) -> bool:
        """Whether the group has not taken the partition away meanwhile."""
        return self.part(partition) in self.consumer.assignment()

    def doubt(self, partitions: Iterable[int]) -> None:
        """Have the database asked where to go on in those of the partitions that are ours."""
        for partition in self.position.keys() & set(partitions):
            self.position[partition] = None

    def in_doubt(self) -> list[int]:
        """Partitions whose position only the database knows."""
        return [partition for partition, position in self.position.items() if position is None]

    # --- Asking where to go on ---

    def take_up(self) -> None:
        """Go on where the database says. What is in hand must have been written before."""
        wanted = self.in_doubt()
        self.topic = self.ask_kafka(partial(ensure_topic, self.bootstrap, self.topic.name))
        first, end = self.first(wanted), self.end(wanted)
        known = self.database.do(partial(offsets.enter, topic=self.topic, first=first))
        for partition in wanted:
            stored = known[partition]
            if stored.topic_id != self.topic.id:
                what = f"the topic {self.topic.name} was made anew since (another topic id)"
                position = self.lose(partition, stored.next, what, first[partition])
            elif not first[partition] <= stored.next <= end[partition]:
                what = f"Kafka holds {first[partition]} to {end[partition]}"
                oldest = first[partition] if stored.next < first[partition] else end[partition]
                position = self.lose(partition, stored.next, what, oldest)
            else:
                position = stored.next
            self.go_on_at(partition, position)

    def go_on_at(self, partition: int, offset: int) -> None:
        """Read on at `offset`, unless the group has taken the partition away meanwhile."""
        try:
            self.consumer.seek(self.part(partition), offset)
        except (AssertionError, IllegalStateError, KeyError):
            return  # on_partitions_revoked has noted it, or is about to
        self.position[partition] = offset

    def lose(self, partition: int, stored: int, what: str, oldest: int) -> int:
        """Records were deleted before they were read: stop, or go on if that was asked for."""
        sentence = (
            f"The database has read partition {partition} up to offset {stored}, but {what}: "
            "unread records may be gone."
        )
        if not self.accept_loss:
            raise StackError(f"{sentence} To go on with what is there: --accept-loss")
        log.warning("%s Going on at offset %d (--accept-loss).", sentence, oldest)
        self.database.do(
            partial(offsets.accept_loss, topic=self.topic, partition=partition, offset=oldest)
        )
        return oldest

    # --- Telling ---

    def first(self, partitions: Iterable[int]) -> dict[int, int]:
        """Kafka's oldest offset of each."""
        parts = [self.part(partition) for partition in partitions]
        found = self.ask_kafka(lambda: self.consumer.beginning_offsets(parts, timeout_ms=5000))
        return {part.partition: offset for part, offset in found.items()}

    def end(self, partitions: Iterable[int]) -> dict[int, int]:
        """The offset that the next record of each will have."""
        parts = [self.part(partition) for partition in partitions]
        found = self.ask_kafka(lambda: self.consumer.end_offsets(parts, timeout_ms=5000))
        return {part.partition: offset for part, offset in found.items()}

    def lag(self) -> int:
        """Records of our partitions that are not read yet."""
        known = {p: position for p, position in self.position.items() if position is not None}
        return sum(end - known[partition] for partition, end in self.end(known).items())

    def is_drained(self) -> bool:
        """Whether the database has all that the topic holds, also what other members read."""
        partitions = self.ask_kafka(lambda: self.consumer.partitions_for_topic(self.topic.name))
        stored = self.database.do(partial(offsets.read, topic=self.topic.name))
        return bool(partitions) and all(
            stored.get(partition) == (self.topic.id, end)
            for partition, end in self.end(partitions).items()
        )

    def commit(self, after: dict[int, int]) -> None:
        """Tell Kafka too, for the tools that show lag."""
        self.consumer.commit_async(
            {self.part(partition): OffsetAndMetadata(after[partition]) for partition in after}
        )

    def close(self) -> None:
        """Leave the group, so that others take over at once."""
        self.consumer.close(timeout_ms=5000)

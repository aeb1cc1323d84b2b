"""One member of the consumer group: resumes where the database says, not where Kafka says."""

import logging
import time
from collections.abc import Callable
from functools import partial
from threading import Event
from typing import TypeVar

from pipeline_common.errors import StackError
from streaming_pipeline import offsets
from streaming_pipeline.accepted_loss import accept_loss
from streaming_pipeline.client import Client, Held
from streaming_pipeline.database import Database
from streaming_pipeline.kafka_python_client import KafkaPythonClient
from streaming_pipeline.kafka_topic import Topic, ensure_topic
from streaming_pipeline.positions import Lost, Positions, resume_at, to_compare
from streaming_pipeline.record_batch import Batch
from streaming_pipeline.waiting import FIRST_ANSWER_SECONDS, Server

POLL_SECONDS = 0.2
#: After this many idle seconds, check whether Kafka is up: the client hides that it is down.
SILENCE_SECONDS = 3.0
log = logging.getLogger("stream")
Answer = TypeVar("Answer")


class Reader:
    """The records of the partitions assigned to this member, each once and in order."""

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        group: str,
        *,
        database: Database,
        stopping: Event,
        accept_loss: bool,
        first_answer_seconds: float = FIRST_ANSWER_SECONDS,
    ) -> None:
        self.bootstrap = bootstrap
        self.database = database
        self.accept_loss = accept_loss
        self.kafka = Server(f"Kafka at {bootstrap}", stopping, first_answer_seconds)
        self.positions = Positions()
        self.topic: Topic = self.ask(partial(ensure_topic, bootstrap, topic))
        self.client: Client = self.ask(partial(KafkaPythonClient, bootstrap, topic, group))
        self.last_answer = self.last_poll = time.monotonic()
        self.has_just_resumed = False
        self.is_joining = True

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """Kafka's response, however long Kafka is unavailable."""
        answer = self.kafka.ask(question)
        self.last_answer = time.monotonic()
        return answer

    def read(self) -> Batch:
        """The next records; a partition whose records are not contiguous becomes doubtful."""
        polled = self.kafka.ask(lambda: self.client.poll(POLL_SECONDS))
        if time.monotonic() - self.last_poll > SILENCE_SECONDS and not self.has_just_resumed:
            # The topic may have been recreated meanwhile, or its log truncated: read this poll's
            # records again. Only once, or slow polls would make no progress.
            self.positions.doubt(self.positions.known())
        self.last_poll = time.monotonic()
        self.has_just_resumed = False
        self.is_joining = polled.joining
        if polled.assigned is not None:
            self.positions.assign(polled.assigned)
        if polled.stretches:
            self.last_answer = time.monotonic()
        elif time.monotonic() - self.last_answer > SILENCE_SECONDS:
            self.held()
            # The database may have been restored to an earlier state meanwhile.
            self.positions.doubt(self.positions.known())
        accepted = self.positions.accept(polled.stretches)
        return Batch(
            self.topic,
            records={partition: stretch.records for partition, stretch in accepted.items()},
            expected={partition: stretch.start for partition, stretch in accepted.items()},
            after={partition: stretch.after for partition, stretch in accepted.items()},
        )

    def resume(self) -> None:
        """Read from the database where to resume. No batch may be in flight."""
        others = self.positions.known()
        self.topic = self.ask(partial(ensure_topic, self.bootstrap, self.topic.name))
        held = self.held(self.positions.doubtful())  # without those that Kafka does not know yet
        first = {partition: kafka.first for partition, kafka in held.items()}
        stored = self.database.do(partial(offsets.enter, topic=self.topic, first=first))
        for partition, kafka in held.items():
            before = stored[partition]
            position = self.resume_at(partition, before, kafka)
            if position is None:
                continue
            is_known = before[:2] == (self.topic.id, position)
            last = to_compare(before.last, position, kafka) if is_known else None
            if self.client.seek(partition, last.offset if last else position):
                self.positions.resume(partition, position, last)
        self.has_just_resumed = not others  # all of them have just been asked for

    def resume_at(self, partition: int, stored: offsets.Offset, held: Held) -> int | None:
        """Where to resume in a partition; None: try again, another member has moved the offset.

        Raises StackError if records are lost.
        """
        try:
            same_topic = stored.topic_id == self.topic.id
            replaced = self.positions.is_replaced(partition, stored.last)
            return resume_at(stored.next, same_topic, held, replaced)
        except Lost as lost:
            sentence = (
                f"The database has read partition {partition} up to offset {stored.next}, "
                f"but {lost}: unread records may be gone."
            )
            if not self.accept_loss:
                raise StackError(
                    f"{sentence} To continue with what is left: --accept-loss"
                ) from lost
            log.warning("%s Continuing at offset %d (--accept-loss).", sentence, lost.resume_at)
            to = lost.resume_at
            return to if accept_loss(self.database, self.topic, partition, stored, to) else None

    def held(self, partitions: list[int] | None = None) -> dict[int, Held]:
        """The offsets that Kafka holds of the partitions (None: of all of the topic)."""
        return self.ask(lambda: self.client.held(partitions))

    def lag(self) -> dict[int, int]:
        """The lag of each assigned partition."""
        known = self.positions.known()
        return {p: held.end - known[p] for p, held in self.held(list(known)).items()}

    def is_drained(self) -> bool:
        """Whether the database has all of the topic, including the partitions of other members.

        False until the log of each assigned partition was compared with what was read of it.
        """
        if self.is_joining or not self.positions.are_compared():
            return False
        held = self.held()
        stored = self.database.do(partial(offsets.read, topic=self.topic.name))
        return bool(held) and all(
            partition in stored and stored[partition][:2] == (self.topic.id, kafka.end)
            for partition, kafka in held.items()
        )

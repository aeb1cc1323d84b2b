"""Read sensor readings from Kafka, judge them, store them in TimescaleDB: each exactly once.

Valid readings go to sensor_readings, invalid records with their reason codes to
sensor_readings_invalid. Start as many as you like: they share the topic's partitions.
Ctrl-C finishes the batch in hand and ends.
"""

import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Event
from typing import Annotated, Any

import psycopg2
import typer
from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import IllegalStateError

from pipeline_console import StackError, log_to_stderr, run, table
from pipeline_settings import SENSOR_TOPIC, VALIDATOR_GROUP, Settings
from streaming_pipeline import store
from streaming_pipeline.batch import Batch, judge_batch
from streaming_pipeline.kafka_topic import ensure_topic
from streaming_pipeline.waiting import AWAY, Database, stop_on_signals, until_it_works

BATCH_RECORDS = 10_000
POLL_MS = 200
TOTALS_SECONDS = 5.0

log = logging.getLogger("stream")
app = typer.Typer(help=__doc__, pretty_exceptions_enable=False)


class Validator(ConsumerRebalanceListener):  # type: ignore[misc]
    """One member of the consumer group: reads and judges while its thread writes."""

    def __init__(
        self, settings: Settings, topic: str, group: str, stopping: Event, accept_loss: bool
    ) -> None:
        self.settings = settings
        self.topic = topic
        self.stopping = stopping
        self.totals = {"valid": 0, "invalid": 0, "duplicate": 0}
        self.database = Database(settings.timescale, stopping)
        self.writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="writer")
        self.writing: tuple[Batch, Future[store.Counts]] | None = None
        self.joined = False
        self.position: dict[int, int] = {}  # next offset to read, of the partitions we hold
        self.unknown: set[int] = set()  # partitions whose position the database must tell us
        self.just_taken_up: set[int] = set()  # nothing read since the database told us
        self.accept_loss = accept_loss
        self.consumer: KafkaConsumer = self.ask_kafka(partial(self._subscribe, group))

    def _subscribe(self, group: str) -> KafkaConsumer:
        self.topic_id = ensure_topic(self.settings.kafka_bootstrap_servers, self.topic)
        consumer = KafkaConsumer(
            bootstrap_servers=self.settings.kafka_bootstrap_servers,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # the default, "latest", skips what was sent before
            max_poll_records=BATCH_RECORDS,
            session_timeout_ms=10_000,
        )
        consumer.subscribe([self.topic], listener=self)
        return consumer

    def ask_kafka(self, question: Any) -> Any:
        """Kafka's answer, however long it is away."""
        what = f"Kafka at {self.settings.kafka_bootstrap_servers}"
        return until_it_works(what, question, self.stopping)

    # --- The group gives and takes partitions. Called by the consumer, in poll ---

    def on_partitions_revoked(self, revoked: list[TopicPartition]) -> None:
        """Forget them. A batch in hand may still be written: the fence decides."""
        self.position = {}
        self.unknown = set()

    def on_partitions_assigned(self, assigned: list[TopicPartition]) -> None:
        """Note them; the database is asked in the main loop, where it may take its time."""
        self.position = {}
        self.unknown = {part.partition for part in assigned}
        self.joined = True

    # --- The loop ---

    def run(self, idle_seconds: float | None) -> None:
        """Read until `stopping` is set or, with `idle_seconds`, until the topic is drained."""
        last_record = last_totals = time.monotonic()
        while not self.stopping.is_set():
            batch = self.read_batch()
            now = time.monotonic()
            if batch.size:
                last_record = now
                self.hand_over(batch)
            else:
                self.settle()
            if now - last_totals > TOTALS_SECONDS:
                last_totals = now
                log.info("%s, %d to go", self.totals_line(), self.ask_kafka(self.lag))
            if idle_seconds and now - last_record >= idle_seconds and self.is_drained():
                break
        self.settle()

    def read_batch(self) -> Batch:
        """The next records, judged; what does not follow on what we have is read again."""
        polled = self.consumer.poll(timeout_ms=POLL_MS)
        if self.unknown:
            self.take_up()
            return Batch({}, {})
        position, records, expected = self.position, {}, {}
        for (_, partition), found in polled.items():
            if self.follows(position.get(partition), partition, found[0].offset):
                records[partition] = found
                expected[partition] = position[partition]
                position[partition] = found[-1].offset + 1
            else:
                self.unknown.add(partition)
        self.just_taken_up -= records.keys()
        return judge_batch(records, expected)

    def follows(self, position: int | None, partition: int, offset: int) -> bool:
        """Whether `offset` is the next record. Compaction and transactions leave gaps in a topic:
        one is believed in only right after the position was compared with Kafka's.
        """
        if position is None:
            return False
        return offset == position or (offset > position and partition in self.just_taken_up)

    def take_up(self) -> None:
        """Ask the database where to go on in partitions that are new to us, or in doubt."""
        self.settle()
        wanted = [TopicPartition(self.topic, partition) for partition in self.unknown]
        first = self.ask_kafka(lambda: self.consumer.beginning_offsets(wanted))
        end = self.ask_kafka(lambda: self.consumer.end_offsets(wanted))
        known = self.database.do(
            lambda connection: store.read_offsets(
                connection, self.topic, self.topic_id, {p.partition: first[p] for p in wanted}
            )
        )
        for part in wanted:
            topic_id, offset = known[part.partition]
            if topic_id != self.topic_id or not first[part] <= offset <= end[part]:
                offset = self.lose(part, topic_id, offset, first[part], end[part])
            self.go_on_at(part, offset)

    def go_on_at(self, part: TopicPartition, offset: int) -> None:
        """Read on at `offset`, unless the group has taken the partition away meanwhile."""
        try:
            self.consumer.seek(part, offset)
        except (AssertionError, IllegalStateError):
            return
        self.position[part.partition] = offset
        self.just_taken_up.add(part.partition)
        self.unknown.discard(part.partition)

    def lose(self, part: TopicPartition, topic_id: str, offset: int, first: int, end: int) -> int:
        """Records were deleted before they were read: stop, or go on if that was asked for."""
        if topic_id != self.topic_id:
            what = f"the topic {part.topic} was made anew since (another topic id)"
        else:
            what = f"Kafka holds {first} to {end}"
        sentence = (
            f"The database has read partition {part.partition} up to offset {offset}, but {what}: "
            "unread records may be gone."
        )
        if not self.accept_loss:
            raise StackError(f"{sentence} To go on with what is there: --accept-loss")
        log.warning("%s Going on at the oldest record (--accept-loss).", sentence)
        new_offset = end if topic_id == self.topic_id and offset > end else first
        self.database.do(
            lambda connection: store.accept_loss(
                connection, self.topic, self.topic_id, part.partition, new_offset
            )
        )
        return new_offset

    # --- Writing, in the writer's thread: psycopg2 lets Python judge the next batch meanwhile ---

    def hand_over(self, batch: Batch) -> None:
        """Have a batch written once the one before it is."""
        self.settle()
        if batch.expected.keys() & self.unknown:
            self.unknown |= batch.expected.keys()  # it stood on a batch that was refused
            return
        write = partial(store.write, topic=self.topic, batch=batch)
        self.writing = batch, self.writer.submit(self.database.do, write)

    def settle(self) -> None:
        """Wait until the batch in hand is written; then tell Kafka, for the tools that show lag."""
        if self.writing is None:
            return
        (batch, result), self.writing = self.writing, None
        try:
            counts = result.result()
        except store.Fenced:
            log.info("another validator has been here: asking the database where to go on")
            self.unknown |= batch.expected.keys()
            return
        self.totals["valid"] += counts.valid
        self.totals["invalid"] += counts.invalid
        self.totals["duplicate"] += sum(counts.duplicates.values())
        self.consumer.commit_async(
            {
                TopicPartition(self.topic, partition): OffsetAndMetadata(found[-1].offset + 1)
                for partition, found in batch.records.items()
            }
        )

    # --- Telling ---

    def lag(self) -> int:
        """Records of our partitions that are not read yet."""
        parts = [TopicPartition(self.topic, partition) for partition in self.position]
        end = self.consumer.end_offsets(parts, timeout_ms=5000)
        return sum(end[part] - self.position.get(part.partition, 0) for part in parts)

    def is_drained(self) -> bool:
        """Whether we are in the group and have read all that our partitions hold."""
        return self.joined and not self.unknown and self.ask_kafka(self.lag) == 0

    def totals_line(self) -> str:
        """What has become of the records so far."""
        parts = (f"{count} {kind}" for kind, count in self.totals.items())
        return f"{sum(self.totals.values())} records = {' + '.join(parts)}"

    def close(self) -> None:
        """Leave the group, so that others take over at once."""
        self.writer.shutdown()
        self.database.close()
        self.consumer.close(timeout_ms=5000)


@app.command()
def main(
    exit_when_idle: Annotated[
        float | None, typer.Option(min=0.1, help="end when no record came for so many seconds")
    ] = None,
    topic: Annotated[str, typer.Option(help="Kafka topic to read")] = SENSOR_TOPIC,
    group: Annotated[str, typer.Option(help="consumer group to join")] = VALIDATOR_GROUP,
    accept_loss: Annotated[
        bool, typer.Option(help="go on though Kafka deleted records that were not read")
    ] = False,
) -> None:
    """Run the stream validator until it is stopped or, with --exit-when-idle, done."""
    log_to_stderr()
    stopping = stop_on_signals()
    try:
        validator = Validator(Settings(), topic, group, stopping, accept_loss)
        try:
            validator.run(exit_when_idle)
        finally:
            validator.close()
            print_totals(validator)
    except AWAY as error:
        if not stopping.is_set():
            raise
        log.warning("stopped while waiting; what was in hand will be read again (%s)", error)
    except psycopg2.Error as error:
        raise StackError(
            f"The database refuses to store the batch: {str(error).splitlines()[0]}. Nothing of it "
            "was stored. Is the schema there? psql ... -f sql/init_timescale.sql makes it."
        ) from error


def print_totals(validator: Validator) -> None:
    """The closing table: in = valid + invalid + duplicate."""
    totals = validator.totals
    rows = [*totals.items(), ("in", sum(totals.values()))]
    print(table(rows, ["records of this run", "count"]))


if __name__ == "__main__":
    run(app)

"""Read sensor readings from Kafka, judge them, store them in TimescaleDB: each exactly once.

Valid readings go to sensor_readings, invalid records with their reason codes to
sensor_readings_invalid. Start as many as you like: they share the topic's partitions.
Ctrl-C finishes the batch in hand and ends.
"""

import gc
import logging
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from functools import partial
from threading import Event
from typing import Annotated

import msgspec
import psycopg2
import typer

from pipeline_console import StackError, log_to_stderr, run, table
from pipeline_settings import SENSOR_TOPIC, VALIDATOR_GROUP, Settings
from streaming_pipeline import store
from streaming_pipeline.batch import Batch
from streaming_pipeline.database import Database
from streaming_pipeline.offsets import Fenced
from streaming_pipeline.reader import Reader
from streaming_pipeline.replay import Replay
from streaming_pipeline.waiting import AWAY, stop_on_signals

TOTALS_SECONDS = 5.0
AWARE_TIME: type[datetime] = Annotated[datetime, msgspec.Meta(tz=True)]  # type: ignore[assignment]

log = logging.getLogger("stream")
app = typer.Typer(help=__doc__, pretty_exceptions_enable=False)


def utc_time(text: str) -> datetime:
    """A time with its zone, as 2026-11-24T08:00:00Z."""
    try:
        return msgspec.convert(text, AWARE_TIME)
    except msgspec.ValidationError:
        raise typer.BadParameter(f"{text!r} is no time with a zone: 2026-11-24T08:00:00Z") from None


class Validator:
    """Reads and judges one batch while its thread writes the one before."""

    def __init__(
        self, settings: Settings, topic: str, group: str, stopping: Event, accept_loss: bool
    ) -> None:
        self.stopping = stopping
        self.totals = {"valid": 0, "invalid": 0, "duplicate": 0}
        self.database = Database(settings.timescale, stopping)
        self.writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="writer")
        self.writing: tuple[Batch, Future[store.Counts]] | None = None
        self.reader = Reader(
            settings.kafka_bootstrap_servers,
            topic,
            group,
            database=self.database,
            stopping=stopping,
            accept_loss=accept_loss,
        )

    def run(self, idle_seconds: float | None) -> None:
        """Read until `stopping` is set or, with `idle_seconds`, until the topic is drained."""
        last_record = last_said = time.monotonic()
        while not self.stopping.is_set():
            batch = self.reader.read().judge()
            now = time.monotonic()
            if batch.size:
                last_record = now
            self.hand_over(batch)
            if self.reader.in_doubt():
                self.settle()
                self.reader.take_up()
            if batch.size and now - last_said > TOTALS_SECONDS:
                last_said = now
                log.info("%s, %d to go", self.totals_line(), self.reader.lag())
            if idle_seconds and now - last_record >= idle_seconds and self.is_drained():
                break
        self.settle()

    def hand_over(self, batch: Batch) -> None:
        """Have a batch written once the one before it is; psycopg2 lets Python go on meanwhile."""
        self.settle()
        doubtful = batch.expected.keys() & set(self.reader.in_doubt())
        if doubtful:  # it stood on a batch that was refused
            self.reader.doubt(batch.expected)
        elif batch.expected:
            write = partial(store.write, batch=batch)
            self.writing = batch, self.writer.submit(self.database.do, write)

    def settle(self) -> None:
        """Wait until the batch in hand is written."""
        if self.writing is None:
            return
        (batch, result), self.writing = self.writing, None
        try:
            counts = result.result()
        except Fenced:
            log.info("another validator has been here: asking the database where to go on")
            self.reader.doubt(batch.expected)
            return
        self.totals["valid"] += counts.valid
        self.totals["invalid"] += counts.invalid
        self.totals["duplicate"] += sum(counts.duplicates.values())
        self.reader.commit(batch.after)

    def is_drained(self) -> bool:
        """Whether all of the topic is in the database, by us or by others."""
        self.settle()
        return self.reader.is_drained()

    def totals_line(self) -> str:
        """What has become of the records so far."""
        parts = (f"{count} {kind}" for kind, count in self.totals.items())
        return f"{sum(self.totals.values())} records = {' + '.join(parts)}"

    def close(self) -> None:
        """Leave the group, so that others take over at once."""
        self.writer.shutdown()
        self.database.close()
        self.reader.close()


@app.command()
def main(
    *,
    exit_when_idle: Annotated[
        float | None, typer.Option(min=0.1, help="end when no record came for so many seconds")
    ] = None,
    topic: Annotated[str, typer.Option(help="Kafka topic to read")] = SENSOR_TOPIC,
    group: Annotated[str, typer.Option(help="consumer group to join")] = VALIDATOR_GROUP,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="go on though Kafka deleted unread records")
    ] = False,
    replay: Annotated[
        bool, typer.Option("--replay", help="judge anew what has been read, then end")
    ] = False,
    replay_from: Annotated[
        datetime | None,
        typer.Option(parser=utc_time, metavar="TIME", help="judge anew what Kafka got since then"),
    ] = None,
) -> None:
    """Run the stream validator until it is stopped or, with --exit-when-idle, done."""
    log_to_stderr()
    stopping = stop_on_signals()
    try:
        if replay or replay_from:
            judge_anew(topic, replay_from, stopping)
        else:
            validate(Validator(Settings(), topic, group, stopping, accept_loss), exit_when_idle)
    except AWAY as error:
        if not stopping.is_set():
            raise
        log.warning("stopped while waiting; what was in hand will be read again (%s)", error)
    except psycopg2.Error as error:
        raise StackError(
            f"The database refuses to store the batch: {str(error).splitlines()[0]}. Nothing of it "
            "was stored. Is the schema there? psql ... -f sql/init_timescale.sql makes it."
        ) from error


def validate(validator: Validator, idle_seconds: float | None) -> None:
    """Read on, then print what has become of the records."""
    # Records come by the ten thousand and make no cycles: looking for some costs 8 % of the time.
    gc.freeze()
    gc.set_threshold(100_000)
    # kafka-python's thread receives 4 kB at a time, the writer asks the database some ten times a
    # batch; after each answer they would wait up to 5 ms for their turn in Python.
    sys.setswitchinterval(0.0001)
    try:
        validator.run(idle_seconds)
    finally:
        validator.close()
        print_totals(validator.totals, "records of this run")


def judge_anew(topic: str, since: datetime | None, stopping: Event) -> None:
    """Replay the topic, then print where its records are now and which have moved."""
    replay = Replay(Settings(), topic, since, stopping)
    try:
        replay.run()
    finally:
        print_totals(replay.totals, "records judged anew")
        print(table(replay.moved.items(), ["records that have moved", "count"]))
    if stopping.is_set():
        log.warning("stopped before the end: run the replay again, it may be repeated")


def print_totals(totals: dict[str, int], title: str) -> None:
    """The closing table: in = valid + invalid + duplicate."""
    print(table([*totals.items(), ("in", sum(totals.values()))], [title, "count"]))


if __name__ == "__main__":
    run(app)

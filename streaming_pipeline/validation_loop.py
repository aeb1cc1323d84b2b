"""The loop of a stream validator: read and validate a batch while the previous one is written."""

import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

from pipeline_common.console import counted
from pipeline_common.settings import Settings
from streaming_pipeline.database import Database
from streaming_pipeline.live_view import Figures, rejection_notes, wanted
from streaming_pipeline.offsets import Fenced
from streaming_pipeline.reader import Reader
from streaming_pipeline.record_batch import Batch, Newest
from streaming_pipeline.rows import Invalid
from streaming_pipeline.writer import Writer

TOTALS_SECONDS = 5.0
LOOK_SECONDS = 1.0  # also for the live view

log = logging.getLogger("stream")


class Validator:
    """Reads and validates one batch while its thread writes the previous one."""

    def __init__(
        self,
        settings: Settings,
        topic: str,
        group: str,
        *,
        stopping: Event,
        accept_loss: bool,
        totals: dict[str, int],
    ) -> None:
        self.stopping = stopping
        self.totals = totals
        self.newest: Newest = {}
        self.reader_database = Database(settings.timescale, stopping)
        self.writer_database = Database(settings.timescale, stopping)
        # Shared, so that an answer on one connection also counts for the other.
        self.writer_database.server = self.reader_database.server
        self.writer = Writer(self.writer_database, totals)
        self.writer_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="writer")
        self.writing: tuple[Batch, Future[None]] | None = None
        self.in_flight = 0  # records that are being written
        self.watched = wanted()
        self.last_said = time.monotonic()
        self.last_rejection: Invalid | None = None
        self.known: dict[int, int] = {}  # the next offset of each partition
        self.lag: dict[int, int] = {}  # its lag at the last check
        self.reader = Reader(
            settings.kafka_bootstrap_servers,
            topic,
            group,
            database=self.reader_database,
            stopping=stopping,
            accept_loss=accept_loss,
        )

    def run(self, idle_seconds: float | None) -> bool:
        """Read until `stopping` is set or, with `idle_seconds`, until the topic is drained.

        Returns whether it is.
        """
        last_record = time.monotonic()
        drained = False
        while not self.stopping.is_set() and not drained:
            batch = self.reader.read().validate(self.newest)
            now = time.monotonic()
            if batch.size:
                last_record = now
            self.hand_over(batch)
            if self.reader.positions.doubtful():
                self.settle()
                self.reader.resume()
            self.say(batch, now)
            idle = idle_seconds is not None and now - last_record >= idle_seconds
            drained = idle and self.is_drained()
        self.settle()
        return drained

    def say(self, batch: Batch, now: float) -> None:
        """Check the progress periodically: for the live view, else for a log line."""
        if batch.rejections:
            self.last_rejection = batch.rejections[-1]
        self.known = self.reader.positions.known()
        if now - self.last_said < (LOOK_SECONDS if self.watched else TOTALS_SECONDS):
            return
        if self.watched or batch.size:
            self.last_said = now
            self.lag = self.reader.lag()
        if batch.size and not self.watched:
            log.info("%s, %d to go", self.totals_line(), sum(self.lag.values()))

    def figures(self) -> Figures:
        """For the live view, from its thread."""
        return Figures(self.totals, self.known, self.lag, rejection_notes(self.last_rejection))

    def hand_over(self, batch: Batch) -> None:
        """Start to write a batch once the previous one is written; psycopg2 releases the GIL."""
        self.settle()
        positions = self.reader.positions
        if batch.expected.keys() & set(positions.doubtful()):  # it followed a batch that was fenced
            positions.doubt(batch.expected)
        elif batch.expected:
            self.writing = batch, self.writer_thread.submit(self.writer.write, batch)
            self.in_flight = batch.size

    def settle(self) -> None:
        """Wait until the in-flight batch is written."""
        if self.writing is None:
            return
        (batch, result), self.writing = self.writing, None
        try:
            result.result()
        except Fenced:
            log.info(
                "another validator has stored these records: asking the database where to resume"
            )
            # For all partitions: a restored database is at an earlier offset in all of them.
            self.reader.positions.doubt(self.reader.positions.known())
            return
        finally:
            self.in_flight = 0
        self.reader.client.commit(batch.after)

    def is_drained(self) -> bool:
        """Whether all of the topic is in the database, written by this member or by others."""
        self.settle()
        return self.reader.is_drained()

    def totals_line(self) -> str:
        """The outcome of the records so far."""
        parts = (f"{count} {kind}" for kind, count in self.totals.items())
        return f"{counted(sum(self.totals.values()), 'record')} = {' + '.join(parts)}"

    def close(self) -> None:
        """Leave the group, so that its partitions are reassigned at once."""
        self.writer_thread.shutdown()
        self.writer_database.close()
        self.reader_database.close()
        self.reader.client.close()

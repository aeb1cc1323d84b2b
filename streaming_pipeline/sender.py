"""Sends readings to Kafka at a given rate, and counts what the broker has acknowledged."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Event

from kafka import KafkaProducer
from kafka.producer.future import RecordMetadata

from streaming_pipeline.kafka_topic import ensure_topic
from streaming_pipeline.live_view import Figures, shown, wanted
from streaming_pipeline.simulated_readings import Message
from streaming_pipeline.waiting import Server

UNACKNOWLEDGED_AT_MOST = 20_000  # bounds memory while the broker is unavailable
FLUSH_SECONDS = 130  # kafka-python gives up on a record after 120
STOP_SECONDS = 4  # the same, once the script is to stop
SENDING = {
    "acks": "all",
    "linger_ms": 5,
    "batch_size": 128 * 1024,
    "bootstrap_timeout_ms": 5000,
    "allow_auto_create_topics": False,
}

log = logging.getLogger("simulator")


def wait_until(condition: Callable[[], bool], seconds: float, stop: Event) -> None:
    """Return when the condition holds, after `seconds`, or STOP_SECONDS after `stop` is set."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        if stop.is_set():
            deadline = min(deadline, time.monotonic() + STOP_SECONDS)
            stop = Event()  # seen
        time.sleep(0.01)


class Sender:
    """Sends asynchronously, and counts the acknowledgements."""

    def __init__(self, topic: str, producer: KafkaProducer | None = None) -> None:
        self.topic = topic
        self.producer = producer
        self.sent = 0
        self.acknowledged: Counter[str] = Counter()
        self.partitions: Counter[int] = Counter()  # acknowledged messages
        self.failed: Counter[str] = Counter()

    @contextmanager
    def connected(self, bootstrap: str, stop: Event) -> Iterator[None]:
        """With a producer; flush at the end, though not for long once `stop` is set.

        Raises StackError or Stopped if Kafka does not answer.
        """
        kafka = Server(f"Kafka at {bootstrap}", stop)
        kafka.ask(partial(ensure_topic, bootstrap, self.topic))
        self.producer = kafka.ask(partial(KafkaProducer, bootstrap_servers=bootstrap, **SENDING))
        try:
            with shown("sensor_simulator.py", self.figures):
                yield
        finally:
            wait_until(lambda: not self.unanswered(), FLUSH_SECONDS, stop)
            self.producer.close(timeout=1)

    def send(self, message: Message) -> None:
        """Send one message; it is counted once the broker has acknowledged it or it has failed."""
        kind, key, value = message
        assert self.producer
        future = self.producer.send(self.topic, value, key=key.encode())
        self.sent += 1
        future.add_callback(partial(self._count, kind))
        future.add_errback(partial(self._count_failed, kind))

    def _count(self, kind: str, stored: RecordMetadata) -> None:
        self.acknowledged[kind] += 1
        self.partitions[stored.partition] += 1

    def _count_failed(self, kind: str, _error: object) -> None:
        self.failed[kind] += 1

    def figures(self) -> Figures:
        """For the live view, from its thread."""
        notes = [f"  not yet acknowledged: {self.unanswered():,}"]
        if self.failed:
            notes.append(f"  failed: {self.failed.total():,}")
        return Figures(self.acknowledged, self.partitions, {}, notes)

    def answers(self) -> dict[str, int]:
        """How many messages the broker has acknowledged, and how many it does not have."""
        return {"acknowledged": self.acknowledged.total(), "failed": self.failed.total()}

    def unanswered(self) -> int:
        """Messages that were sent and are neither acknowledged nor failed yet."""
        return self.sent - self.acknowledged.total() - self.failed.total()


def send_all(
    sender: Sender,
    readings: Iterator[Message],
    *,
    rate: float,
    duration: float | None,
    count: int | None,
    stop: Event,
) -> None:
    """Send at `rate` messages/s (0: no limit) until duration, count or `stop` ends it."""
    begin = last_said = time.monotonic()
    watched = wanted()
    for message in readings:
        now = time.monotonic()
        if sender.sent == count or (duration is not None and now - begin >= duration):
            return
        while sender.unanswered() >= UNACKNOWLEDGED_AT_MOST and not stop.wait(0.001):
            pass
        if stop.is_set():
            return
        ahead = sender.sent / rate - (now - begin) if rate else 0
        if ahead > 0 and stop.wait(ahead):
            return
        sender.send(message)
        if now - last_said > 5 and not watched:
            last_said = now
            log.info("%d sent, %d not yet acknowledged", sender.sent, sender.unanswered())

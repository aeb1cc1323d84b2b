"""What the arena does to a consumer. Each drill strikes at an exact moment, so it always finds the
fault that it is for: the proxy before the database sees when a write begins and when it is durable.
"""

import signal
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from kafka import KafkaProducer

from lab.trial import SILENT_SECONDS, Trial

IDLE = b"Z\x00\x00\x00\x05I"  # PostgreSQL's ReadyForQuery outside of a transaction: all is durable
WAIT_SECONDS = 90.0


class Moments:
    """Counts the writes of a trial, over all its connections, and strikes at some of them."""

    def __init__(self, strike: Callable[[], None], at: set[int], *, after: bool) -> None:
        self.strike = strike
        self.to_come = at
        self.after = after
        self.writes = 0

    def a_write(self) -> None:
        """Strike if this is a moment to do so."""
        self.writes += 1
        if self.writes in self.to_come:
            self.to_come.remove(self.writes)
            self.strike()

    def all_over(self) -> bool:
        """Whether every moment has passed."""
        return not self.to_come


class Connection:
    """Sees one connection's writes: before the database hears of each, or when it is durable."""

    def __init__(self, moments: Moments) -> None:
        self.moments = moments
        self.writing = False

    def client_says(self, data: bytes) -> None:
        """Called with what the consumer sends, before the database gets it."""
        begins = not self.writing and (b"INSERT" in data or b"COPY " in data)
        self.writing |= begins
        if begins and not self.moments.after:
            self.moments.a_write()

    def server_says(self, data: bytes) -> None:
        """Called with what the database answers, before the consumer gets it."""
        if self.writing and data.endswith(IDLE):
            self.writing = False
            if self.moments.after:
                self.moments.a_write()


def feed_until(trial: Trial, producer: KafkaProducer, happened: Callable[[], bool]) -> None:
    """Send 250 readings a second until it has happened, or for WAIT_SECONDS.

    The first is sent alone: a consumer that has to catch up writes in another rhythm.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    if not trial.sent:
        trial.send(producer, 1)
        silent = time.monotonic()
        while not trial.rows()[0] and time.monotonic() < deadline:
            trial.restart_what_ended()
            if time.monotonic() - silent > SILENT_SECONDS:
                trial.restart_all()
                silent = time.monotonic()
            time.sleep(0.1)
    while not happened() and time.monotonic() < deadline:
        trial.send(producer, 10)
        trial.restart_what_ended()
        time.sleep(0.04)


def poison(trial: Trial, producer: KafkaProducer) -> None:
    """One record in ten is no reading."""
    trial.start()
    trial.send(producer, 500, broken=0.1)


def kill(after: bool) -> Callable[[Trial, KafkaProducer], None]:
    """kill -9, three times, before a write reaches the database or just after it is durable."""

    def drill(trial: Trial, producer: KafkaProducer) -> None:
        def strike() -> None:
            trial.processes[0].kill()
            raise ConnectionAbortedError("the consumer is dead")

        moments = Moments(strike, {4, 8, 12}, after=after)
        trial.proxy.watch = lambda: Connection(moments)
        trial.start()
        feed_until(trial, producer, moments.all_over)
        trial.send(producer, 100)

    return drill


def zombie(trial: Trial, producer: KafkaProducer) -> None:
    """Pause a consumer that is about to write, until another has its partitions; then wake it."""
    trial.start()
    awake = threading.Event()

    def strike() -> None:
        trial.processes[0].send_signal(signal.SIGSTOP)
        awake.wait(WAIT_SECONDS)

    moments = Moments(strike, {4}, after=False)
    trial.proxy.watch = lambda: Connection(moments)
    feed_until(trial, producer, moments.all_over)
    trial.start()
    there = len(trial.rows()[0])
    feed_until(trial, producer, lambda: len(trial.rows()[0]) > there)
    trial.processes[0].send_signal(signal.SIGCONT)
    awake.set()


def rebalance(trial: Trial, producer: KafkaProducer) -> None:
    """A second consumer joins the group; then the first leaves it gracefully."""
    trial.start()
    feed_until(trial, producer, lambda: len(trial.rows()[0]) > 1)
    first = trial.processes[0]
    trial.start()
    begin = time.monotonic()
    feed_until(trial, producer, lambda: time.monotonic() - begin > 8)
    trial.stop(first)
    trial.send(producer, 100)


class Drill(NamedTuple):
    """What is done to the consumer, and the question that it answers."""

    question: str
    run: Callable[[Trial, KafkaProducer], None]


DRILLS = {
    "poison": Drill("What does one record that is no reading do?", poison),
    "before": Drill("What does a crash just before a write lose?", kill(after=False)),
    "after": Drill("What does a crash just after a write repeat?", kill(after=True)),
    "zombie": Drill("What does a paused process do when it wakes?", zombie),
    "rebalance": Drill("What happens when consumers join and leave?", rebalance),
}

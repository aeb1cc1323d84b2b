"""Wait for a server that is away: with back-off, said once, until it is back or we must stop."""

import logging
import signal
from collections.abc import Callable
from threading import Event
from typing import Any, TypeVar

import psycopg2
from kafka.errors import KafkaError
from psycopg2.extensions import connection as Connection
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential_jitter
from tenacity.nap import sleep_using_event
from tenacity.stop import stop_when_event_set

from streaming_pipeline.store import connect

log = logging.getLogger("stream")
Result = TypeVar("Result")
#: InterfaceError: the connection was lost in an earlier call
AWAY = (psycopg2.OperationalError, psycopg2.InterfaceError, KafkaError, OSError)


def stop_on_signals() -> Event:
    """An event that Ctrl-C and SIGTERM set; a second signal ends the process at once."""
    stopping = Event()

    def stop(signum: int, _frame: object) -> None:
        signal.signal(signum, signal.SIG_DFL)
        stopping.set()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    return stopping


def until_it_works(what: str, action: Callable[[], Result], stopping: Event) -> Result:
    """The result of `action`, tried again while a server is away.

    Raises the last error once `stopping` is set.
    """
    said = False

    def say_once(state: RetryCallState) -> None:
        nonlocal said
        if not said and state.outcome:
            error = state.outcome.exception()
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            log.warning("%s does not answer: waiting for it (%s)", what, reason)
        said = True

    retrying = Retrying(
        retry=retry_if_exception_type(AWAY),
        wait=wait_exponential_jitter(initial=0.1, max=5, jitter=0.2),
        stop=stop_when_event_set(stopping),
        sleep=sleep_using_event(stopping),
        before_sleep=say_once,
        reraise=True,
    )
    result = retrying(action)
    if said:
        log.warning("%s answers again", what)
    return result


class Database:
    """A connection that is made anew when it is lost; for one thread at a time."""

    def __init__(self, login: dict[str, Any], stopping: Event) -> None:
        self.login = login
        self.stopping = stopping
        self.connection: Connection | None = None

    def do(self, action: Callable[[Connection], Result]) -> Result:
        """The result of `action`, which must be one transaction: it is repeated if it fails."""
        what = f"TimescaleDB at {self.login['host']}:{self.login['port']}"
        return until_it_works(what, lambda: self._attempt(action), self.stopping)

    def _attempt(self, action: Callable[[Connection], Result]) -> Result:
        if self.connection is None:
            self.connection = connect(self.login)
        try:
            return action(self.connection)
        except AWAY:
            self.close()
            raise

    def close(self) -> None:
        """End the connection, if there is one."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

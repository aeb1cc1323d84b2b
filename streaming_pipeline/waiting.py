"""Wait for a server that is away: with back-off, said once, until it is back or we must stop."""

import logging
import signal
from collections.abc import Callable
from threading import Event
from typing import TypeVar

import psycopg2
from kafka.errors import KafkaError
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential_jitter
from tenacity.nap import sleep_using_event
from tenacity.stop import stop_when_event_set

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
        wait=wait_exponential_jitter(multiplier=0.1, max=5, jitter=0.2),
        stop=stop_when_event_set(stopping),
        sleep=sleep_using_event(stopping),
        before_sleep=say_once,
        reraise=True,
    )
    result = retrying(action)
    if said:
        log.warning("%s answers again", what)
    return result

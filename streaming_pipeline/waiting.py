"""Waits for a server that does not answer, with exponential backoff and one log line."""

import logging
from collections.abc import Callable
from threading import Event
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_exponential_jitter
from tenacity.nap import sleep_using_event
from tenacity.stop import stop_after_delay, stop_never, stop_when_event_set

from pipeline_common.errors import StackError
from streaming_pipeline.failures import (
    Failure,
    advice,
    first_line,
    is_of_a_server,
    is_transient,
    kind_of,
)
from streaming_pipeline.metrics import RETRIES
from streaming_pipeline.stopping import Stopped

FIRST_ANSWER_SECONDS = 20.0
log = logging.getLogger("stream")
Result = TypeVar("Result")


class Server:
    """A server that may be unavailable.

    The wait for a server that has answered before is unlimited. One that never has may not exist,
    or may refuse this login, so the wait for its first answer has a limit.
    """

    def __init__(
        self, name: str, stopping: Event, first_answer_seconds: float = FIRST_ANSWER_SECONDS
    ) -> None:
        self.name = name
        self.stopping = stopping
        self.first_answer_seconds = first_answer_seconds
        self.has_answered = False
        self.retries = RETRIES.labels(name)

    def ask(self, action: Callable[[], Result]) -> Result:
        """The result of `action`, retried while the server does not answer.

        Raises StackError for a permanent failure or if there never was an answer, Stopped once
        the script is to stop, and the error itself if it is a record's fault.
        """
        bound = stop_never if self.has_answered else stop_after_delay(self.first_answer_seconds)
        said = Event()
        retrying = Retrying(
            retry=retry_if_exception(is_transient),
            wait=wait_exponential_jitter(multiplier=0.1, max=5, jitter=0.2),
            stop=stop_when_event_set(self.stopping) | bound,
            sleep=sleep_using_event(self.stopping),
            before_sleep=lambda state: self._say_once(state, said),
            reraise=True,
        )
        try:
            result = retrying(action)
        except Exception as error:
            self._explain(error)
            raise
        if said.is_set():
            log.warning("%s answers again", self.name)
        self.has_answered = True
        return result

    def _say_once(self, state: RetryCallState, said: Event) -> None:
        self.retries.inc()
        if not said.is_set() and state.outcome and (error := state.outcome.exception()):
            said.set()
            log.warning("%s does not answer: waiting for it (%s)", self.name, first_line(error))

    def _explain(self, error: Exception) -> None:
        if isinstance(error, StackError):
            return
        if is_transient(error):
            if self.stopping.is_set():
                raise Stopped(f"{self.name}: {first_line(error)}") from error
            raise StackError(
                f"{self.name} has not answered in {self.first_answer_seconds:.0f} s: "
                f"{first_line(error)}. Is the stack up (make status), are address and login in "
                ".env right?"
            ) from error
        if is_of_a_server(error) and kind_of(error) is Failure.PERMANENT:
            sentence = f"{self.name} refuses: {first_line(error).rstrip('.')}. {advice(error)}"
            raise StackError(sentence.strip()) from error

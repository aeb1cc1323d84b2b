"""A connection to TimescaleDB that detects a lost server and reconnects."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import dup
from socket import SHUT_RDWR, socket
from threading import Event, Timer
from typing import Any, TypeVar

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from pipeline_common.database import connect
from streaming_pipeline.failures import is_transient
from streaming_pipeline.waiting import FIRST_ANSWER_SECONDS, Server

TIME_LIMIT_SECONDS = 60  # per statement (statement_timeout)
CUT_SECONDS = 150  # per transaction: the client then closes the connection
Result = TypeVar("Result")


@contextmanager
def transaction(
    connection: Connection, *, commit: bool = True, cut_after: float = CUT_SECONDS
) -> Iterator[Cursor]:
    """One transaction; without `commit` it is rolled back.

    Raises QueryCanceled if a statement takes too long, or the transaction does: that closes the
    connection.
    """
    was_cut = Event()

    def cut() -> None:
        was_cut.set()
        with socket(fileno=dup(connection.fileno())) as other_handle:
            other_handle.shutdown(SHUT_RDWR)  # the thread that waits for a response gets an error

    watchdog = Timer(cut_after, cut)
    watchdog.daemon = True
    watchdog.start()
    try:
        with connection, connection.cursor() as cursor:
            yield cursor
            if not commit:
                connection.rollback()
    except psycopg2.Error as error:
        if was_cut.is_set():
            connection.close()
            raise psycopg2.errors.QueryCanceled(f"not done in {cut_after:.0f} s") from error
        raise
    finally:
        watchdog.cancel()


class Database:
    """A connection that reconnects when it is lost; for one thread at a time."""

    def __init__(
        self,
        login: dict[str, Any],
        stopping: Event,
        *,
        first_answer_seconds: float = FIRST_ANSWER_SECONDS,
        time_limit: int = TIME_LIMIT_SECONDS,
    ) -> None:
        self.login = login
        self.time_limit = time_limit
        name = f"TimescaleDB at {login['host']}:{login['port']}"
        self.server = Server(name, stopping, first_answer_seconds)
        self.connection: Connection | None = None

    def do(self, action: Callable[[Connection], Result]) -> Result:
        """The result of `action`, which must be one transaction: it is retried if it fails."""
        return self.server.ask(lambda: self._attempt(action))

    def _attempt(self, action: Callable[[Connection], Result]) -> Result:
        if self.connection is None or self.connection.closed:
            self.connection = connect(
                self.login, "stream_validator", statement_seconds=self.time_limit, lock_seconds=30
            )
        try:
            return action(self.connection)
        except psycopg2.Error as error:
            if is_transient(error):
                self.close()
            raise

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

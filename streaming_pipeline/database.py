"""A connection to TimescaleDB: it notices a server that is gone, and is made anew when lost."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import dup
from socket import SHUT_RDWR, socket
from threading import Event, Timer
from typing import Any, TypeVar

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from streaming_pipeline.waiting import AWAY, until_it_works

ANSWER_SECONDS = 60  # a database that is silent for so long is taken for gone
Result = TypeVar("Result")


def connect(login: dict[str, Any]) -> Connection:
    """A connection whose peer may vanish without a word."""
    connection: Connection = psycopg2.connect(
        **login,
        connect_timeout=5,
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        tcp_user_timeout=ANSWER_SECONDS * 1000,
        application_name="stream_validator",
        # If this client vanishes in mid-transaction, the server must not keep its locks for long.
        options="-c idle_in_transaction_session_timeout=60s",
    )
    return connection


@contextmanager
def transaction(connection: Connection) -> Iterator[Cursor]:
    """One transaction; cuts the connection if it takes longer than ANSWER_SECONDS."""
    watchdog = Timer(ANSWER_SECONDS, _cut, [connection])
    watchdog.daemon = True
    watchdog.start()
    try:
        with connection, connection.cursor() as cursor:
            yield cursor
    finally:
        watchdog.cancel()


def _cut(connection: Connection) -> None:
    with socket(fileno=dup(connection.fileno())) as other_handle:
        other_handle.shutdown(SHUT_RDWR)  # the thread that waits for an answer gets an error


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

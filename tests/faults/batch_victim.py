"""One step of the batch pipeline in a process that kills itself, like kill -9, at a given moment.

Moments are between messages to the server: before and after each statement, in the middle of each
COPY, right before and right after each commit. A process that reaches its end prints how many
moments it had.
"""

import io
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from batch_pipeline import report, scraper, steps

VENDOR = "tech_store"
PRODUCTS = 45
STEPS: dict[str, Callable[[Connection, str], object]] = {
    "extract_products": lambda connection, batch_id: steps.land(
        connection, batch_id, VENDOR, scraper.scrape(VENDOR, PRODUCTS, seed=1)
    ),
    "load_to_raw_zone": partial(steps.load_to_raw_zone, expected=[VENDOR]),
    "validate_products": steps.validate,
    "load_to_clean_zone": steps.load_to_clean_zone,
    "load_to_quarantine": steps.load_to_quarantine,
    "mark_processed": steps.mark_processed,
    "generate_report": report.generate_report,
}


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a victim is to do; `at` counts moments from 1, 0 means that nothing happens."""

    login: dict[str, Any]
    batch_id: str
    steps: list[str]
    at: int = 0
    #: kill: the process ends at once; disconnect: the server ends its session; pause: it says so,
    #: and goes on once another session waits for it
    fault: str = "kill"


class Moments:
    """Counts the moments of this process, and causes the fault at the given one."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.count = 0
        self.session = 0

    def __call__(self) -> None:
        self.count += 1
        if self.count != self.task.at:
            return
        if self.task.fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        other = psycopg2.connect(**self.task.login)
        other.autocommit = True
        with other.cursor() as cursor:
            if self.task.fault == "disconnect":
                cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [self.session])
            else:
                print("paused", flush=True)
                wait_until_another_waits(cursor)
        other.close()


def wait_until_another_waits(cursor: Cursor) -> None:
    """Wait until a session waits for a lock: proof that the two do not run concurrently."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        cursor.execute(
            """SELECT count(*) FROM pg_stat_activity
               WHERE datname = current_database() AND wait_event_type = 'Lock'"""
        )
        if cursor.fetchone() != (0,):
            return
        time.sleep(0.02)
    sys.exit("nobody waited: there is no lock, or the other process has not come")


class HalfRead(io.StringIO):
    """The data of a COPY, sent to the server in two pieces with a moment between them."""

    def __init__(self, text: str, moment: Moments) -> None:
        super().__init__(text)
        self.half = len(text) // 2 + 1
        self.moment = moment

    def read(self, _size: int | None = None) -> str:
        if self.tell():
            self.moment()
        return super().read(self.half)


def connect(task: Task, moment: Moments) -> Connection:
    """A connection with a moment before and after everything that it sends to the server."""

    class FatalCursor(Cursor):
        def execute(self, *arguments: Any) -> None:
            moment()
            super().execute(*arguments)
            moment()

        def copy_expert(self, sql: Any, file: Any, size: int = 8192) -> None:
            moment()
            super().copy_expert(sql, HalfRead(file.read(), moment), size)
            moment()

    class FatalConnection(Connection):
        def commit(self) -> None:
            moment()
            super().commit()
            moment()

    connection: Connection = psycopg2.connect(
        **task.login, connection_factory=FatalConnection, cursor_factory=FatalCursor
    )
    moment.session = connection.info.backend_pid
    return connection


def main() -> None:
    task = Task(**json.loads(sys.argv[1]))
    moment = Moments(task)
    connection = connect(task, moment)
    for step in task.steps:
        STEPS[step](connection, task.batch_id)
    connection.close()
    print(moment.count)


if __name__ == "__main__":
    main()

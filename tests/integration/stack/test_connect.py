"""No session of this project waits forever."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors
from psycopg2.extensions import connection as Connection

from batch_pipeline import database as batch
from pipeline_common.database import connect
from tests.databases import as_admin


@pytest.fixture
def hasty(pipeline_db: dict[str, Any]) -> Iterator[Connection]:
    """A session that waits a second at most, for whatever it is."""
    login = as_admin(pipeline_db)
    with closing(
        connect(login, "test", statement_seconds=1, lock_seconds=1, idle_seconds=1)
    ) as connection:
        yield connection


def test_a_statement_that_takes_too_long_is_ended(hasty: Connection) -> None:
    with pytest.raises(errors.QueryCanceled):
        hasty.cursor().execute("SELECT pg_sleep(600)")


def test_a_lock_that_is_not_given_is_waited_for_no_longer(
    pipeline_db: dict[str, Any], hasty: Connection
) -> None:
    lock = "LOCK TABLE clean_products"
    with closing(connect(as_admin(pipeline_db), "test")) as holder:
        holder.cursor().execute(lock)
        hasty.cursor().execute("SET statement_timeout = 0")
        with pytest.raises(errors.LockNotAvailable):
            hasty.cursor().execute(lock)


def test_a_transaction_whose_client_is_silent_is_ended(
    pipeline_db: dict[str, Any], hasty: Connection
) -> None:
    hasty.cursor().execute("SELECT 1")
    deadline = time.monotonic() + 60
    with closing(connect(as_admin(pipeline_db), "test")) as other, other.cursor() as cursor:
        while True:
            cursor.execute("SELECT FROM pg_stat_activity WHERE pid = %s", [hasty.info.backend_pid])
            if not cursor.rowcount:
                break
            assert time.monotonic() < deadline
            other.rollback()
            time.sleep(0.1)
    with pytest.raises(psycopg2.OperationalError):
        hasty.cursor().execute("SELECT 1")


@pytest.mark.parametrize("open_connection", [lambda login: connect(login, "x"), batch.connect])
def test_every_session_has_the_three_limits_and_utc(
    pipeline_db: dict[str, Any], open_connection: Callable[[dict[str, Any]], Connection]
) -> None:
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    with closing(open_connection(pipeline_db)) as connection, connection.cursor() as cursor:
        for name in names:
            cursor.execute(f"SHOW {name}")
            assert cursor.fetchone() != ("0",), name
        cursor.execute("SHOW timezone")
        assert cursor.fetchone() == ("UTC",)

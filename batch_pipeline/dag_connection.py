"""How a task of the DAG connects to pipeline_db, with timeouts and clear errors."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from psycopg2.errors import LockNotAvailable, QueryCanceled

from pipeline_common.database import connect

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

CONNECTION_ID = "postgres_default"  # in Airflow: Admin → Connections
EXECUTION_TIMEOUT = timedelta(minutes=30)  # of any task; ten million rows take a few minutes
STATEMENT_SECONDS = 25 * 60  # the database cancels a statement before Airflow kills the task
LOCK_SECONDS = 5 * 60  # another run may hold the lock while it loads a large batch


class BusyError(Exception):
    """The database cancelled a statement; a retry may succeed."""


def login() -> dict[str, Any]:
    """Airflow's connection as keyword arguments of psycopg2.connect, with its extras.

    The hook's own get_conn would choose psycopg 3 where it is installed; the steps use psycopg2.
    """
    from airflow.providers.postgres.hooks.postgres import PostgresHook  # noqa: PLC0415

    stored = PostgresHook.get_connection(CONNECTION_ID)
    not_for_libpq = getattr(PostgresHook, "ignored_extra_options", ())
    extras = {k: v for k, v in stored.extra_dejson.items() if k not in not_for_libpq}
    return {
        "host": stored.host,
        "port": stored.port,
        "user": stored.login,
        "password": stored.password,
        "dbname": stored.schema,
    } | extras


@contextmanager
def connected() -> "Iterator[Connection]":
    """A connection for one task, with timeouts, so that nothing waits forever.

    Raises BusyError if another session holds a lock too long or a statement takes too long.
    """
    try:
        with closing(
            connect(
                login(),
                "product_batch_pipeline",
                statement_seconds=STATEMENT_SECONDS,
                lock_seconds=LOCK_SECONDS,
                idle_seconds=STATEMENT_SECONDS,  # a vendor may be slow to send
            )
        ) as connection:
            yield connection
    except (LockNotAvailable, QueryCanceled) as error:
        reason = str(error).splitlines()[0]
        raise BusyError(
            f"The database gave up: {reason}. The task is retried; pg_stat_activity and "
            "pg_blocking_pids() show who holds a lock."
        ) from None

"""How this project connects to PostgreSQL, everywhere."""

from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection

CONNECT_SECONDS = 5
SILENT_SECONDS = 60  # a server that does not acknowledge data for this long is considered dead


def connect(login: dict[str, Any], application_name: str, **limits: int) -> Connection:
    """A connection on which nothing waits forever; `limits` are those of connection_arguments.

    Raises psycopg2.OperationalError where no server answers.
    """
    arguments = connection_arguments(login, application_name, **limits)
    connection: Connection = psycopg2.connect(**arguments)  # noqa: TID251 - this is the one place
    return connection


def connection_arguments(
    login: dict[str, Any],
    application_name: str,
    *,
    statement_seconds: int = 30,
    lock_seconds: int = 10,
    idle_seconds: int = 60,
) -> dict[str, Any]:
    """libpq's parameters for a login (host, port, user, password, dbname).

    `login` may have any other parameter of libpq, such as sslmode. No statement runs longer than
    `statement_seconds` or waits longer than `lock_seconds` for a lock. The server ends a
    transaction in which the client is idle for `idle_seconds`, so that a client that vanished holds
    no lock. Times are in UTC.
    """
    options = {
        "statement_timeout": f"{statement_seconds}s",
        "lock_timeout": f"{lock_seconds}s",
        "idle_in_transaction_session_timeout": f"{idle_seconds}s",
        "timezone": "UTC",
    }
    limits = [f"-c {name}={value}" for name, value in options.items()]
    parameters: dict[str, Any] = {
        "application_name": application_name,
        "connect_timeout": CONNECT_SECONDS,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": SILENT_SECONDS * 1000,
    }
    return parameters | login | {"options": " ".join([*limits, login.get("options", "")])}

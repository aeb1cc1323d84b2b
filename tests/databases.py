"""Databases for the tests: each is a copy of a template, which is faster than the init SQL."""

import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
from psycopg2.extensions import cursor as Cursor

from local_stack.postgres import run_init_sql
from local_stack.stack import Stack
from pipeline_common.settings import Settings

Login = dict[str, Any]
INIT_SQL = {
    "my_postgres": ["roles.sql", "init_postgres.sql"],
    "my_timescaledb": ["roles.sql", "init_timescale.sql"],
}
#: The sample rows are as old as their template, and some queries ask for the last minutes.
TEMPLATE_SECONDS = 120


def as_admin(login: Login) -> Login:
    """The same database as the superuser, for what scripts have no privilege to do."""
    return Settings.model_construct().admin(login)


def login_of(stack: Stack, service: str) -> Login:
    """psycopg2.connect arguments of the service's own database, as the login that writes."""
    return stack.settings.postgres if service == "my_postgres" else stack.settings.timescale


@contextmanager
def fresh_database(stack: Stack, service: str) -> Iterator[Login]:
    """The login of a new database with the sample rows; it is dropped at the end."""
    if service not in stack.running():
        stack.up(service)
    login = login_of(stack, service)
    name = f"test_{uuid.uuid4().hex[:12]}"
    with administrator(login) as cursor:
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE {template(cursor, stack, service)}")
    yield login | {"dbname": name}
    with administrator(login) as cursor:
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def administrator(login: Login) -> Iterator[Cursor]:
    """A cursor that may create and drop databases of the login's server."""
    with closing(psycopg2.connect(**as_admin(login) | {"dbname": "postgres"})) as connection:
        connection.autocommit = True
        yield connection.cursor()


def archive_wal(login: Login) -> None:
    """Have the server archive its WAL now, instead of within a minute."""
    deadline = time.monotonic() + 120
    with administrator(login) as cursor:
        cursor.execute("SELECT pg_current_xact_id(), pg_walfile_name(pg_switch_wal())")
        _, segment = cursor.fetchone() or ("", "")
        while True:
            cursor.execute("SELECT last_archived_wal >= %s FROM pg_stat_archiver", [segment])
            if (cursor.fetchone() or [False])[0]:
                return
            assert time.monotonic() < deadline, f"{segment} is not archived"
            time.sleep(0.1)


def make_database(stack: Stack, service: str, name: str) -> None:
    """Run the init SQL, as the service does, in a database that may be missing."""
    login = as_admin(login_of(stack, service)) | {"dbname": name}
    run_init_sql(login, INIT_SQL[service], stack.services[service].sql_variables)


def template(cursor: Cursor, stack: Stack, service: str) -> str:
    """The name of a database that the init SQL has made in the last two minutes."""
    name = f"template_{int(time.time()) // TEMPLATE_SECONDS}"
    cursor.execute("SELECT FROM pg_database WHERE datname = %s AND datistemplate", [name])
    if not cursor.rowcount:
        make_database(stack, service, name)
        # A database can be copied only while no session is in it, not even one of TimescaleDB's.
        cursor.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false IS_TEMPLATE true")
        sessions = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
        cursor.execute(f"{sessions} WHERE datname = %s", [name])
    return name

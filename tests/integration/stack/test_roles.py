"""The privileges of each login, on the real servers."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors
from psycopg2.extensions import connection as Connection
from psycopg2.extras import PhysicalReplicationConnection

from local_stack.stack import Stack
from tests.databases import as_admin, make_database

Login = dict[str, Any]


@pytest.fixture(scope="module", params=["my_postgres", "my_timescaledb"])
def writer(request: pytest.FixtureRequest, stack: Stack) -> Login:
    """The pipeline's login, on each of the servers in turn."""
    stack.up(request.param)
    on_postgres = request.param == "my_postgres"
    return stack.settings.postgres if on_postgres else stack.settings.timescale


@pytest.fixture
def reader(stack: Stack, writer: Login) -> Login:
    """The read-only login."""
    return stack.settings.reader(writer)


@pytest.fixture
def unlimited(reader: Login) -> Iterator[Connection]:
    """A reader's session that has reset every setting that it can: only privileges protect."""
    with closing(psycopg2.connect(**reader)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = off; SET statement_timeout = 0")
        yield connection


def ask(login: Login, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    with closing(psycopg2.connect(**login)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def test_only_the_admin_is_a_superuser(writer: Login) -> None:
    powerful = """SELECT rolname FROM pg_roles WHERE rolname !~ '^pg_'
        AND (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls)"""
    assert ask(writer, powerful) == [("pipeline_admin",)]


def test_every_table_belongs_to_the_owner_who_has_no_password(writer: Login) -> None:
    owners = """SELECT DISTINCT tableowner::text FROM pg_tables
        WHERE schemaname = 'public' OR tablename ~ '^_hyper_'"""
    assert ask(writer, owners) == [("pipeline_owner",)]
    password = "SELECT rolpassword FROM pg_authid WHERE rolname = 'pipeline_owner'"
    assert ask(as_admin(writer), password) == [(None,)]


def test_writer_and_reader_see_every_table(writer: Login, reader: Login) -> None:
    hidden = """SELECT relname::text FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'm', 'p')
          AND NOT has_table_privilege(oid, 'SELECT')"""
    assert ask(writer, hidden) == ask(reader, hidden) == []


@pytest.mark.parametrize(
    "statement",
    [
        "COPY (SELECT 1) TO PROGRAM 'touch /tmp/hostile'",
        "COPY (SELECT 1) TO '/tmp/hostile'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_ls_dir('.')",
        "SELECT rolpassword FROM pg_authid",
        "CREATE TABLE mine (n integer)",
        "CREATE TEMP TABLE mine (n integer)",
        "CREATE SCHEMA mine",
        "CREATE FUNCTION mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "CREATE EXTENSION pg_trgm",
        "CREATE DATABASE mine",
        "CREATE ROLE mine",
        "SET ROLE pipeline_owner",
        "SET ROLE pipeline_writer",
        "SET SESSION AUTHORIZATION pipeline_admin",
        "SET temp_file_limit = -1",
        "RESET temp_file_limit",
        "ALTER SYSTEM SET work_mem = '1GB'",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_try_advisory_xact_lock(1)",
        "SELECT lo_create(0)",
        "SELECT lo_from_bytea(0, 'x')",
    ],
)
def test_the_reader_is_refused(unlimited: Connection, statement: str) -> None:
    with unlimited.cursor() as cursor, pytest.raises(errors.InsufficientPrivilege):
        cursor.execute(statement)


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM {}",
        "TRUNCATE {}",
        "DROP TABLE {}",
        "DO $$ BEGIN LOCK TABLE {}; END $$",
        "ALTER TABLE {} ADD x text",
    ],
)
def test_the_reader_changes_and_locks_no_table(unlimited: Connection, change: str) -> None:
    with unlimited.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = [name for (name,) in cursor.fetchall()]
        for table in tables:
            with pytest.raises(errors.InsufficientPrivilege):
                cursor.execute(change.format(table))
    assert len(tables) > 3


def test_a_session_may_lengthen_its_own_time_out_but_nobody_else_s(reader: Login) -> None:
    """PostgreSQL 15 cannot forbid the first: the role's timeouts are against accidents."""
    with closing(psycopg2.connect(**reader)) as connection, connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0; SET TRANSACTION READ WRITE")
        with pytest.raises(errors.InsufficientPrivilege):
            cursor.execute("ALTER ROLE pipeline_writer SET statement_timeout = 0")
    assert ask(reader, "SHOW statement_timeout") == [("30s",)]


def test_what_the_reader_changed_of_itself_is_set_back_by_the_init_sql(
    stack: Stack, pipeline_db: Login
) -> None:
    """Every role may change its own password and defaults; but no superuser's setting."""
    reader = stack.settings.reader(pipeline_db)
    with closing(psycopg2.connect(**reader)) as connection, connection:
        connection.set_session(readonly=False)
        connection.cursor().execute("ALTER ROLE pipeline_reader RESET ALL")
        connection.cursor().execute("ALTER ROLE pipeline_reader PASSWORD 'changed'")
    changed = reader | {"password": "changed"}
    assert ask(changed, "SHOW statement_timeout") == [("0",)]
    assert ask(changed, "SHOW temp_file_limit") == [("256MB",)]
    make_database(stack, "my_postgres", pipeline_db["dbname"])
    assert ask(reader, "SHOW statement_timeout") == [("30s",)]


def test_the_reader_s_sessions_begin_with_limits(reader: Login) -> None:
    limits = {
        "default_transaction_read_only": "on",
        "statement_timeout": "30s",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "1min",
        "work_mem": "16MB",
        "temp_file_limit": "256MB",
    }
    shown = ", ".join(f"current_setting('{name}')" for name in limits)
    assert ask(reader, f"SELECT {shown}") == [tuple(limits.values())]


def test_a_sort_that_does_not_fit_the_reader_s_disk_share_is_ended(unlimited: Connection) -> None:
    with unlimited.cursor() as cursor, pytest.raises(errors.ConfigurationLimitExceeded):
        cursor.execute("SELECT n FROM generate_series(1, 20000000) AS n ORDER BY -n")


@pytest.mark.parametrize("database", ["postgres", "template1", "airflow_db"])
def test_other_databases_are_closed(writer: Login, reader: Login, database: str) -> None:
    for login in (writer, reader):
        with pytest.raises(psycopg2.OperationalError, match=r"permission denied|does not exist"):
            psycopg2.connect(**login | {"dbname": database})


def test_airflow_s_login_sees_airflow_s_database_only(stack: Stack) -> None:
    stack.up("my_postgres")
    login = {"user": "airflow_user", "password": stack.settings.airflow_db_password}
    airflow = stack.settings.postgres | login
    assert ask(airflow | {"dbname": "airflow_db"}, "SELECT 1") == [(1,)]
    for database in ("pipeline_db", "postgres", "template1"):
        with pytest.raises(psycopg2.OperationalError, match="permission denied"):
            psycopg2.connect(**airflow | {"dbname": database})


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE {}",
        "TRUNCATE {}",
        "ALTER TABLE {} ADD x text",
        "CREATE TABLE mine (n integer)",
        "SET ROLE pipeline_owner",
        "COPY {} TO PROGRAM 'cat'",
    ],
)
def test_a_writer_keeps_the_tables_as_they_are(writer: Login, statement: str) -> None:
    table = "raw_products" if writer["dbname"] == "pipeline_db" else "sensor_readings"
    with pytest.raises(errors.InsufficientPrivilege):
        ask(writer, statement.format(table))


def test_a_learner_s_views_are_in_the_schema_lab_and_the_reader_sees_them(
    stack: Stack, pipeline_db: Login, timeseries_db: Login
) -> None:
    for login in (pipeline_db, timeseries_db):
        with closing(psycopg2.connect(**login)) as connection, connection:
            connection.cursor().execute("CREATE VIEW lab.mine AS SELECT 1 AS n")
        reader = stack.settings.reader(login)
        assert ask(reader, "SELECT n FROM lab.mine") == [(1,)]
        with pytest.raises(errors.ReadOnlySqlTransaction):
            ask(reader, "CREATE VIEW lab.other AS SELECT 1")
        with pytest.raises(errors.InsufficientPrivilege):
            ask(reader, "SET default_transaction_read_only = off; COMMIT; CREATE TABLE lab.t ()")


@pytest.mark.parametrize(
    "change", ["DELETE FROM raw_products", "UPDATE raw_products SET raw_text = ''"]
)
def test_the_raw_zone_is_append_only(stack: Stack, change: str) -> None:
    stack.up("my_postgres")
    with pytest.raises(errors.InsufficientPrivilege):
        ask(stack.settings.postgres, change)


def test_neither_login_may_copy_the_server(writer: Login, reader: Login) -> None:
    for login in (writer, reader):
        with pytest.raises(
            psycopg2.OperationalError, match="must be superuser or replication role"
        ):
            psycopg2.connect(**login, connection_factory=PhysicalReplicationConnection)

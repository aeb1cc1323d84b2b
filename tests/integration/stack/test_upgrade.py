"""A database of release 1.0.0, with rows in it, is upgraded in place when the stack starts."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from batch_pipeline import report, steps
from local_stack import postgres
from local_stack.account import run_as
from local_stack.stack import Stack
from local_stack.timescale import DEBIAN_POSTGRES
from pipeline_common.errors import StackError
from pipeline_common.settings import PROJECT_FOLDER
from tests.databases import as_admin, fresh_database
from tests.own_stack import folder_of_its_own, settings_of_its_own

OLD = PROJECT_FOLDER / "tests/data/release_1_0_0"
SERVICES = {
    "my_postgres": ("postgres", "pipeline_db", ["init_postgres.sql", "init_airflow_db.sql"]),
    "my_timescaledb": ("timescaledb", "timeseries_db", ["init_timescale.sql"]),
}

# What a schema consists of, one line for each part, without what differs from server to server.
CATALOG = """
    SELECT 'column', attrelid::regclass || '.' || attname,
           concat_ws(' ', format_type(atttypid, atttypmod), attnotnull, attidentity, collname,
                     pg_get_expr(adbin, adrelid), attacl)
    FROM pg_attribute
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    LEFT JOIN pg_collation AS c ON c.oid = attcollation
    WHERE attrelid IN (SELECT oid FROM ours) AND attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT 'constraint', conrelid::regclass || ' ' || conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE conrelid IN (SELECT oid FROM ours)
    UNION ALL
    SELECT 'index', indexrelid::regclass::text, pg_get_indexdef(indexrelid)
    FROM pg_index WHERE indrelid IN (SELECT oid FROM ours)
    UNION ALL
    SELECT 'table', oid::regclass::text,
           concat_ws(' ', relkind, pg_get_userbyid(relowner), reloptions,
                     ARRAY(SELECT one::text FROM unnest(relacl) AS one ORDER BY 1),
                     CASE relkind WHEN 'v' THEN pg_get_viewdef(oid) END)
    FROM ours
    UNION ALL
    SELECT 'function', p.oid::regprocedure::text,
           concat_ws(' ', pg_get_userbyid(proowner), provolatile, prosecdef, proconfig, prosrc,
                     ARRAY(SELECT one::text FROM unnest(proacl) AS one ORDER BY 1))
    FROM pg_proc AS p
    WHERE pronamespace = 'public'::regnamespace
      AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = p.oid AND deptype = 'e')
    UNION ALL
    SELECT 'schema', nspname, concat_ws(' ', pg_get_userbyid(nspowner), nspacl)
    FROM pg_namespace WHERE nspname = 'lab'
    UNION ALL
    SELECT 'default rights', defaclrole::regrole::text || ' ' || defaclobjtype::text,
           concat_ws(' ', defaclnamespace::regnamespace, defaclacl)
    FROM pg_default_acl
    UNION ALL
    SELECT 'schema version', version::text, '' FROM schema_version"""
OURS = """
    WITH ours AS (SELECT * FROM pg_class
                  WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'p'))"""


def rows(login: dict[str, Any], sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query, asked by the superuser."""
    with (
        closing(psycopg2.connect(**as_admin(login))) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)
        return list(cursor.fetchall())


KILLED = -9


def kill_at_each_statement(name: str, login: dict[str, Any], variables: dict[str, str]) -> None:
    """Run the change of the superuser, once for each of its statements, and end it there."""
    file = PROJECT_FOLDER / "sql/upgrades/superuser.sql"
    lines = file.read_text().splitlines()
    environment = variables | {
        "PGHOST": str(login["host"]),
        "PGPORT": str(login["port"]),
        "PGDATABASE": name,
        "PGUSER": variables["WRITER_USER"],
        "PGPASSWORD": variables["WRITER_PASSWORD"],
        "PIPELINE_ADMIN_PASSWORD": "admin_pass",
    }
    starts = ("SELECT", "BEGIN", "ALTER", "COMMIT")
    moments = [number for number, line in enumerate(lines) if line.startswith(starts)]
    assert len(moments) >= 4
    for number in moments:
        cut = [*lines[:number], r"\! kill -9 $PPID", *lines[number:]]
        done = subprocess.run(
            ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1"],
            input="\n".join(cut),
            env=os.environ | environment,
            text=True,
            check=False,
        )
        assert done.returncode == KILLED, lines[number]


def make_as_1_0_0(stack: Stack, service: str, login: dict[str, Any]) -> None:
    """The service's data folder, with a database and rows, as release 1.0.0 made it.

    An earlier upgrade was killed at each of its steps while it renamed the superuser.
    """
    folder, name, init_sql = SERVICES[service]
    data = stack.folder / "data" / folder
    table = stack.services[service]
    postgres.make_cluster(DEBIAN_POSTGRES, data, login, table.user)
    server = subprocess.Popen(
        [*run_as(table.user), *table.command], stderr=subprocess.DEVNULL, cwd="/"
    )
    try:
        while not postgres.accepts(DEBIAN_POSTGRES, login["port"]):
            assert server.poll() is None
        files = [str(OLD / file) for file in (*init_sql, f"{name}_rows.sql")]
        postgres.run_init_sql(login, files)
        kill_at_each_statement(name, login, table.sql_variables)
        (data / "initialised").touch()
    finally:
        server.terminate()
        server.wait(60)


@pytest.fixture(scope="module")
def upgraded() -> Iterator[Stack]:
    """Both servers of release 1.0.0, after their first start by this release."""
    with folder_of_its_own("upgrade") as folder:
        settings = settings_of_its_own()
        stack = Stack(folder, settings)
        for service, login in (
            ("my_postgres", settings.postgres),
            ("my_timescaledb", settings.timescale),
        ):
            make_as_1_0_0(stack, service, login)
        try:
            stack.up(*SERVICES)
            yield stack
        finally:
            stack.down()


@pytest.mark.parametrize("service", SERVICES)
def test_an_upgraded_schema_is_that_of_a_new_database(upgraded: Stack, service: str) -> None:
    settings = upgraded.settings
    login = settings.postgres if service == "my_postgres" else settings.timescale
    with fresh_database(upgraded, service) as new:
        assert set(rows(login, OURS + CATALOG)) == set(rows(new, OURS + CATALOG))


def test_the_rows_are_still_there_with_their_reasons_as_arrays(upgraded: Stack) -> None:
    login = upgraded.settings.postgres
    assert rows(login, "SELECT count(*) FROM raw_products") == [(8,)]
    assert rows(login, "SELECT issues FROM quarantine_products ORDER BY raw_id") == [
        (["duplicate_in_batch"],),
        (["name_missing", "price_not_a_number"],),
    ]
    days = "SELECT batch_id, product_date::text FROM batches WHERE batch_id LIKE 'old%' ORDER BY 1"
    assert rows(login, days) == [("old", "2026-11-25"), ("older", "2026-11-24")]
    readings = "SELECT count(*) FROM sensor_readings"
    assert rows(upgraded.settings.timescale, readings) == [(1000,)]


def test_the_pipeline_works_on_an_upgraded_database(upgraded: Stack) -> None:
    with closing(psycopg2.connect(**upgraded.settings.postgres)) as connection:
        for step in steps.AFTER_LANDING:
            step(connection, "old")
        assert "3 received = 1 clean + 0 superseded by newer + 2 quarantined: adds up" in (
            report.generate_report(connection, "old")
        )


def test_the_old_login_is_no_superuser_any_more(upgraded: Stack) -> None:
    superusers = "SELECT rolname FROM pg_roles WHERE rolsuper"
    for login in (upgraded.settings.postgres, upgraded.settings.timescale):
        assert rows(login, superusers) == [("pipeline_admin",)]


def test_a_database_of_a_newer_release_is_refused_in_one_sentence(upgraded: Stack) -> None:
    login = upgraded.settings.postgres
    with closing(psycopg2.connect(**as_admin(login))) as connection:
        connection.autocommit = True
        connection.cursor().execute("INSERT INTO schema_version VALUES (999)")
        with pytest.raises(StackError, match="schema version 999, but this release only knows"):
            postgres.upgrade("pipeline_db", as_admin(login), {})
        connection.cursor().execute("DELETE FROM schema_version WHERE version = 999")


def refusal(login: dict[str, Any], stack: Stack) -> str:
    """What the upgrade says when it is refused."""
    variables = stack.services["my_postgres"].sql_variables
    with pytest.raises(StackError) as error:
        postgres.upgrade("pipeline_db", login, variables)
    return str(error.value)


def test_roles_that_cannot_be_changed_are_a_refusal_in_one_sentence(upgraded: Stack) -> None:
    login = as_admin(upgraded.settings.postgres)
    with closing(psycopg2.connect(**login)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("DELETE FROM schema_version WHERE version = 3")
        cursor.execute("CREATE ROLE upgrade_superuser")
        cursor.execute("CREATE SCHEMA of_another AUTHORIZATION upgrade_superuser")
        said = refusal(login, upgraded)
        cursor.execute("DROP SCHEMA of_another; DROP ROLE upgrade_superuser")
        cursor.execute("INSERT INTO schema_version VALUES (3)")
    assert "pipeline_db is not upgraded" in said
    assert 'role "upgrade_superuser" cannot be dropped' in said
    assert len(said.splitlines()) == 1


def test_a_wrong_password_of_the_superuser_is_a_refusal_in_one_sentence(upgraded: Stack) -> None:
    said = refusal(as_admin(upgraded.settings.postgres) | {"password": "wrong"}, upgraded)
    assert 'password authentication failed for user "pipeline_admin"' in said
    assert len(said.splitlines()) == 1

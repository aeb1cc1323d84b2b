"""A small SQL console, shared by explore_postgres.py and explore_timescale.py.

Every statement is a transaction of its own, READ ONLY unless --write was given. That stops
accidents; the guard against people is a login that was granted SELECT only.
"""

import json
import os
import pydoc
import shutil
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import psycopg2
from psycopg2.extras import register_default_json, register_default_jsonb, wait_select

from pipeline_console import StackError, stderr, table
from python_scripts.queries import Result, as_objects
from python_scripts.sql_statements import read_entries

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

STATEMENT_TIMEOUT_SECONDS = 30

HELP = r"""\dt      tables          \d TABLE  columns and indexes of a table
\l       databases       \q        leave (so does Ctrl-D)
\?       this help       Ctrl-C    drop the statement you type, or stop the one that runs
A statement ends with ; and may go over several lines. Tab completes tables and columns."""

TABLES = """
SELECT table_schema AS schema, table_name AS "table",
       replace(lower(table_type), 'base ', '') AS type
FROM information_schema.tables
WHERE table_schema !~ '^(pg_|_timescaledb|timescaledb|information_schema)'
ORDER BY 1, 2"""

DATABASES = """
SELECT datname AS database, pg_get_userbyid(datdba) AS owner,
       pg_size_pretty(pg_database_size(oid)) AS size
FROM pg_database WHERE datallowconn ORDER BY 1"""

COLUMNS = """
SELECT column_name AS column, data_type AS type, is_nullable AS nullable, column_default AS default
FROM information_schema.columns
WHERE table_name = %(name)s AND table_schema !~ '^_timescaledb'
ORDER BY ordinal_position"""

INDEXES = "SELECT indexdef AS index FROM pg_indexes WHERE tablename = %(name)s ORDER BY 1"

LOOK_UPS = {"\\dt": [TABLES], "\\l": [DATABASES], "\\d": [COLUMNS, INDEXES]}


def connect(parameters: dict[str, Any]) -> "Connection":
    """Connect for looking around: no statement runs longer than STATEMENT_TIMEOUT_SECONDS."""
    timeout = f"-c statement_timeout={STATEMENT_TIMEOUT_SECONDS}s -c timezone=UTC"
    connection: Connection = psycopg2.connect(**parameters, options=timeout)
    connection.set_session(readonly=True)
    # JSON is shown as the server writes it, not as Python would.
    register_default_json(connection, loads=str)
    register_default_jsonb(connection, loads=str)
    return connection


def console(connection: "Connection", *, write: bool, limit: int, as_json: bool) -> None:
    """Run statements typed at a prompt, or read from a pipe, until there are no more.

    Raises StackError at the end if input came from a pipe and a statement of it failed.
    """
    psycopg2.extensions.set_wait_callback(wait_select)  # Ctrl-C cancels the statement that runs
    connection.rollback()
    connection.set_session(readonly=not write)
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    failed = 0
    entries = _typed_entries(connection, write) if interactive else read_entries(sys.stdin)
    for entry in entries:
        if entry == "\\q":
            break
        try:
            _show(answer(connection, entry, limit), limit, as_json)
            connection.commit()
        except psycopg2.Error as error:
            if connection.closed:
                raise
            connection.rollback()
            failed += 1
            stderr.print(_in_words(error), style="red", markup=False, soft_wrap=True)
    if failed and not interactive:
        raise StackError(f"{failed} of the statements failed; each error is shown above.")


def _typed_entries(connection: "Connection", write: bool) -> Iterator[str]:
    from python_scripts.sql_prompt import typed_entries  # noqa: PLC0415 - see its docstring

    rights = "Statements may change data" if write else "Read-only; --write allows more"
    stderr.print(
        f"{rights}. A statement may take {STATEMENT_TIMEOUT_SECONDS} s. \\? helps, \\q ends."
    )
    return typed_entries(connection, write)


def _in_words(error: psycopg2.Error) -> str:
    """What is wrong, where in the statement, and what the server advises."""
    said = error.diag
    words = [said.message_primary or str(error).strip(), said.message_detail, said.message_hint]
    if said.statement_position and error.cursor and error.cursor.query:
        # Not the server's own excerpt: that shows the cursor which the statement was wrapped in.
        rest = error.cursor.query.decode()[int(said.statement_position) - 1 :]
        words.insert(1, f"  here: {rest.splitlines()[0]}")
    return "\n".join(word for word in words if word)


def answer(connection: "Connection", entry: str, limit: int) -> list[Result]:
    r"""Run one statement or \command; a result holds at most `limit` + 1 of its rows."""
    command, _, argument = entry.rstrip(" ;").partition(" ")
    if command == "\\d" and not argument:
        command = "\\dt"
    if command in LOOK_UPS:
        name = {"name": argument.strip().split(".")[-1]}
        found = [_execute(connection, text, limit, name) for text in LOOK_UPS[command]]
        return found if found[0].rows else [Result("none", f"There is no {argument}", [], [])]
    if command.startswith("\\"):
        return [Result("help", HELP, [], [])]
    return [_execute(connection, entry, limit)]


def _execute(
    connection: "Connection", statement: str, limit: int, parameters: dict[str, str] | None = None
) -> Result:
    # A server-side cursor: of a result with millions of rows only those shown travel here.
    streamed = statement.split(maxsplit=1)[0].lower() in ("select", "table", "values")
    with connection.cursor("console" if streamed else None) as cursor:
        cursor.execute(statement, parameters)
        rows = cursor.fetchmany(limit + 1) if streamed or cursor.description else []
        headers = [column.name for column in cursor.description or ()]
        return Result("rows", cursor.statusmessage or "", headers, rows)


def _show(results: list[Result], limit: int, as_json: bool) -> None:
    for result in results:
        shown = result._replace(rows=result.rows[:limit])
        if len(result.rows) > limit:
            stderr.print(f"Only the first {limit} rows are shown; --limit or LIMIT changes that.")
        if as_json:
            print(json.dumps(as_objects(shown), default=str), flush=True)
        else:
            _page(table(shown.rows, shown.headers) if shown.headers else shown.title)


def _page(text: str) -> None:
    too_long = text.count("\n") >= shutil.get_terminal_size().lines
    if sys.stdin.isatty() and sys.stdout.isatty() and too_long:
        os.environ.setdefault("LESS", "-S")  # wide rows scroll sideways instead of wrapping
        pydoc.pager(text)
    else:
        print(text, flush=True)

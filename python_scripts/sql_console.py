"""SQL from a pipe: statement by statement, with psql's transactions.

Each statement is a transaction of its own unless BEGIN opened one; an error ends the run, and what
was not committed is undone. What the statements may do is decided by the login's rights alone.
"""

import json
from contextlib import closing
from typing import Any

import pglast
import psycopg
from psycopg.types.string import TextLoader

from pipeline_common.console import stderr
from pipeline_common.errors import StackError
from pipeline_common.tables import screen_width, table
from pipeline_common.untrusted import visible
from python_scripts.queries import Result, as_objects

#: Shown as the server writes them, not as Python would.
AS_TEXT = ("json", "jsonb", "bytea", "interval")


def run_statements(arguments: dict[str, Any], text: str, *, limit: int, as_json: bool) -> None:
    """Run the statements of `text` and print their results, at most `limit` rows of each.

    Raises StackError where the text is not SQL (then nothing is run) or a statement fails.
    """
    statements = split(text)
    try:
        with closing(psycopg.connect(**arguments, autocommit=True)) as connection:
            connection.add_notice_handler(show_notice)
            for name in AS_TEXT:
                connection.adapters.register_loader(name, TextLoader)
            for statement in statements:
                show(execute(connection, statement, limit), limit, as_json)
    except psycopg.Error as error:
        raise StackError(in_words(error)) from error


def split(text: str) -> tuple[str, ...]:
    """The statements, by PostgreSQL's own parser: no quote and no function body is cut."""
    if any(line.startswith("\\") for line in text.splitlines()):
        raise StackError("A pipe takes SQL only; \\d and the like work at a terminal, or in psql.")
    try:
        return tuple(pglast.split(text))
    except pglast.parser.ParseError as error:
        raise StackError(f"Nothing was run: {error}.") from error


def execute(connection: "psycopg.Connection[Any]", statement: str, limit: int) -> Result:
    """Run one statement; the result holds at most `limit` + 1 of its rows."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        rows = cursor.fetchmany(limit + 1) if cursor.description else []
        headers = [column.name for column in cursor.description or ()]
        return Result("rows", cursor.statusmessage or "", headers, rows)


def show(result: Result, limit: int, as_json: bool) -> None:
    """Print a result as a table, or as one line of JSON."""
    shown = result._replace(rows=result.rows[:limit])
    if len(result.rows) > limit:
        stderr.print(f"Only the first {limit} rows are shown; --limit changes that.")
    if as_json:
        print(json.dumps(as_objects(shown), default=str), flush=True)
    else:
        width = screen_width()
        print(table(shown.rows, shown.headers, width) if shown.headers else shown.title, flush=True)


def show_notice(said: psycopg.errors.Diagnostic) -> None:
    """Print the server's notices, such as "table does not exist, skipping"."""
    stderr.print(f"{said.severity}: {visible(said.message_primary or '')}", markup=False)


def in_words(error: psycopg.Error) -> str:
    """What is wrong, and what the server adds and advises."""
    said = error.diag
    words = [said.message_primary or str(error).strip(), said.message_detail, said.message_hint]
    return "\n".join(word for word in words if word)

"""The SQL files of sql/queries/ by name: one text for psql, these scripts, the README and tests.

The first line of each file is a comment that says what the query answers; it becomes the title.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import typer
from tabulate import tabulate

from pipeline_settings import PROJECT_FOLDER

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

QUERY_FOLDER = PROJECT_FOLDER / "sql" / "queries"


class Result(NamedTuple):
    """Rows with their column names; `name` is the key in --json, `title` the line above a table."""

    name: str
    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[object]]


def query_text(name: str) -> str:
    """The SQL of sql/queries/NAME.sql."""
    return (QUERY_FOLDER / f"{name}.sql").read_text()


def run_query(connection: "Connection", name: str) -> Result:
    """Run sql/queries/NAME.sql and return its title, column names and rows."""
    text = query_text(name)
    title = text.splitlines()[0].removeprefix("--").strip()
    with connection.cursor() as cursor:
        cursor.execute(text)
        headers = [column.name for column in cursor.description or ()]
        return Result(name, title, headers, cursor.fetchall())


def print_results(results: Iterable[Result], as_json: bool) -> None:
    """Print results one after the other as tables, or together as one JSON object."""
    if as_json:
        print(json.dumps({result.name: as_objects(result) for result in results}, default=str))
        return
    for result in results:
        typer.secho(f"\n{result.title}", bold=sys.stdout.isatty())
        print(as_table(result) if result.rows else "(no rows)", flush=True)


def as_table(result: Result) -> str:
    """Rows as a table; text that looks like a number ("1e400") stays the text that it is."""
    texts = [
        index
        for index in range(len(result.headers))
        if any(isinstance(row[index], str) for row in result.rows)
    ]
    return tabulate(
        list(result.rows), result.headers, "psql", floatfmt=".2f", disable_numparse=texts
    )


def as_objects(result: Result) -> list[dict[str, object]]:
    """Rows as one dictionary each, as --json shows them."""
    return [dict(zip(result.headers, row, strict=True)) for row in result.rows]

"""The SQL files of sql/queries/ by name: one text for psql, these scripts, the README and tests.

The first line of each file is a comment that says what the query answers; it becomes the title.
"""

import json
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from pipeline_common.sql_files import read_sql
from pipeline_common.tables import screen_width, table
from pipeline_common.untrusted import visible
from python_scripts.drawing import bar

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


class Result(NamedTuple):
    """Rows with their column names; `name` is the key in --json, `title` the line above a table."""

    name: str
    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Any]]


def query_text(name: str) -> str:
    """The SQL of sql/queries/NAME.sql."""
    return read_sql(f"queries/{name}")


def run_query(connection: "Connection", name: str) -> Result:
    """Run sql/queries/NAME.sql and return its title, column names and rows."""
    return result_of(connection, name, query_text(name))


def result_of(connection: "Connection", name: str, text: str, parameters: Any = None) -> Result:
    """Run a query whose first line is its title."""
    title = text.splitlines()[0].removeprefix("--").strip()
    with connection.cursor() as cursor:
        cursor.execute(text, parameters)
        headers = [column.name for column in cursor.description or ()]
        return Result(name, title, headers, cursor.fetchall())


def with_bars(result: Result, column: str) -> Result:
    """The result with an additional column that draws the values of `column` as bars."""
    index = list(result.headers).index(column)
    values = [float(row[index] or 0) for row in result.rows]
    largest = max(values, default=0)
    rows = [(*row, bar(value, largest)) for row, value in zip(result.rows, values, strict=True)]
    return result._replace(headers=[*result.headers, ""], rows=rows)


def print_results(results: Iterable[Result], as_json: bool) -> None:
    """Print results one after the other as tables, or together as one JSON object."""
    if as_json:
        print(json.dumps({result.name: as_objects(result) for result in results}, default=str))
        return
    width = screen_width()
    for result in results:
        title = textwrap.fill(visible(result.title), width)
        typer.secho(f"\n{title}", bold=sys.stdout.isatty())
        print(table(result.rows, result.headers, width) if result.rows else "(no rows)", flush=True)


def as_objects(result: Result) -> list[dict[str, object]]:
    """Rows as one dictionary each, for --json; columns without a name, the bars, are left out."""
    return [
        {name: value for name, value in zip(result.headers, row, strict=True) if name}
        for row in result.rows
    ]

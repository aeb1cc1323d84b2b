"""What explore_postgres.py and explore_timescale.py share: sections, --json, and the console."""

import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline_common.database import connect, connection_arguments
from pipeline_common.settings import Settings
from python_scripts.queries import Result, print_results, run_query

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

Section = Callable[["Connection"], list[Result]]

SectionNames = Annotated[
    list[str] | None, typer.Argument(help="What to show; everything if none is named.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]
Write = Annotated[bool, typer.Option("--write", help="Let console statements change data.")]
Limit = Annotated[int, typer.Option(min=1, help="Rows that the console shows per result.")]


def queries(*names: str) -> Section:
    """A section that shows the results of some queries of sql/queries/."""
    return lambda connection: [run_query(connection, name) for name in names]


def check_names(chosen: list[str] | None, known: Iterable[str]) -> None:
    """Raise a usage error that lists the sections, if one does not exist."""
    for name in chosen or ():
        if name not in known:
            raise typer.BadParameter(f"{name} is not one of {', '.join(known)}")


def explore(
    login: dict[str, Any],
    sections: Mapping[str, Section],
    chosen: list[str] | None,
    *,
    as_json: bool,
    write: bool,
    limit: int,
) -> None:
    """Show the chosen sections, and the console if it or nothing was chosen at a terminal.

    All this runs as the reader; with `write`, the console runs as `login`, which may write.
    """
    check_names(chosen, [*sections, "console"])
    reader = Settings().reader(login)
    named = [name for name in chosen or sections if name != "console"]
    if named:
        with closing(connect(reader, "explore")) as connection:
            print_results((r for name in named for r in sections[name](connection)), as_json)
    at_terminal = sys.stdin.isatty() and sys.stdout.isatty() and not as_json
    if "console" in (chosen or ()) or (at_terminal and not chosen):
        arguments = connection_arguments(login if write else reader, "console")
        console(arguments, at_terminal, limit, as_json)


def console(arguments: dict[str, Any], at_terminal: bool, limit: int, as_json: bool) -> None:
    """pgcli at a terminal, else the statements of standard input."""
    # Only here, because these are slow to import.
    if at_terminal:
        from python_scripts.sql_terminal import hand_over  # noqa: PLC0415

        hand_over(arguments, limit)
    from python_scripts.sql_console import run_statements  # noqa: PLC0415

    run_statements(arguments, sys.stdin.read(), limit=limit, as_json=as_json)

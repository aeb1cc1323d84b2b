"""SQL at a terminal: pgcli, which completes, pages, keeps a history and knows psql's \\commands.

A module of its own because pgcli takes as long to import as all the rest of a script.
"""

import os
from typing import Any, NoReturn

import click
from pgcli import main as pgcli
from pgcli import pgexecute
from psycopg import Connection
from psycopg.conninfo import make_conninfo
from psycopg.types.string import TextLoader

from pipeline_common.untrusted import visible

TEXT = ("text", "varchar", "bpchar", "name", "xml", 0)  # 0: every type that has no name here
AS_THE_SERVER_WRITES = ("json", "jsonb", "bytea", "date", "time", "timestamp", "timestamptz")


class VisibleText(TextLoader):
    """Text from the database with its control characters escaped."""

    def load(self, data: Any) -> str:
        """The text of a value."""
        return visible(str(super().load(data)))


def show_text_escaped(connection: "Connection[Any]") -> None:
    """Takes the place of pgcli's own function of this kind, which passes everything on."""
    for name in TEXT + AS_THE_SERVER_WRITES:
        connection.adapters.register_loader(name, VisibleText)


def show_error_escaped(error: Exception, _verbose: bool = False) -> str:
    """Takes the place of pgcli's own function: an error may quote a record."""
    return click.style(visible(str(error)), fg="red")


def hand_over(arguments: dict[str, Any], limit: int) -> NoReturn:
    """Be pgcli from here on, until its user leaves it."""
    os.environ["TZ"] = "UTC"  # pgcli asks the server for times in the terminal's zone
    pgexecute.register_typecasters = show_text_escaped
    pgcli.exception_formatter = show_error_escaped
    # In this process: on a command line, everybody could read the password.
    pgcli.cli([make_conninfo(**arguments), "--row-limit", str(limit), "--less-chatty"])
    raise SystemExit

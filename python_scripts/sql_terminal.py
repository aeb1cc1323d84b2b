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
from psycopg.pq import TransactionStatus
from psycopg.types.string import TextLoader

from pipeline_common.untrusted import visible

TEXT = ("text", "varchar", "bpchar", "name", "xml", 0)  # 0: every type that has no name here
AS_THE_SERVER_WRITES = ("json", "jsonb", "bytea", "date", "time", "timestamp", "timestamptz")

execute_normal_sql = pgexecute.PGExecute.execute_normal_sql


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


def run_until_ctrl_c(executor: "pgexecute.PGExecute", sql: str) -> Any:
    """Takes the place of pgcli's own function, after which Ctrl-C can leave the statement running.

    psycopg cancels it, but not when the interrupt arrives while its own Python code runs. The
    session would then refuse each further statement: "another command is already in progress".
    """
    try:
        return execute_normal_sql(executor, sql)
    except KeyboardInterrupt:
        session = executor.conn
        if session.info.transaction_status == TransactionStatus.ACTIVE:
            session.cancel_safe()
            while session.pgconn.get_result():  # until the server has confirmed
                pass
        raise


def hand_over(arguments: dict[str, Any], limit: int) -> NoReturn:
    """Become pgcli from here on, until its user quits."""
    os.environ["TZ"] = "UTC"  # pgcli asks the server for times in the terminal's zone
    pgexecute.register_typecasters = show_text_escaped
    pgexecute.PGExecute.execute_normal_sql = run_until_ctrl_c
    pgcli.exception_formatter = show_error_escaped
    # In this process: on a command line, everybody could read the password.
    pgcli.cli([make_conninfo(**arguments), "--row-limit", str(limit), "--less-chatty"])
    raise SystemExit

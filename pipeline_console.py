"""How every script talks: results to stdout, log lines to stderr, errors as one plain sentence."""

import logging
import os
import sys
import time
from collections.abc import Iterable, Sequence

import psycopg2
import typer
from kafka.errors import KafkaError
from rich.console import Console
from tabulate import tabulate

# rich leaves colour and animation out by itself where there is no terminal, or NO_COLOR is set.
stderr = Console(stderr=True, highlight=False)


class StackError(Exception):
    """Something the user can mend; the text says what happened and what to do next."""


def log_to_stderr(level: int = logging.INFO) -> None:
    """Send log lines to stderr with their time in UTC; call it once, first in a script."""
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        level=level,
        stream=sys.stderr,
        format="%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
    )
    # What a script does itself is told in its own words.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    logging.getLogger("httpx").setLevel(logging.WARNING)


def table(rows: Iterable[Sequence[object]], headers: Sequence[str]) -> str:
    """Rows as a table that a person can read, the same on a terminal and in a pipe."""
    return tabulate(list(rows), headers=headers, tablefmt="psql", floatfmt=".2f")


def run(app: typer.Typer) -> None:
    """Run a script and end it with 0 (done), 1 (failed, one sentence) or 2 (wrong usage)."""
    try:
        app()
    except StackError as error:
        _fail(str(error))
    except psycopg2.OperationalError as error:
        _fail(f"The database does not answer: {_first_line(error)}. Is the stack up? make status")
    except KafkaError as error:
        _fail(f"Kafka does not answer: {_first_line(error)}. Is the stack up? make status")
    except BrokenPipeError:
        # `| head` closed the pipe: that is no failure, and Python must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _fail(sentence: str) -> None:
    stderr.print(sentence, style="red", soft_wrap=True, markup=False)
    sys.exit(1)

"""How every script talks: results to stdout, log lines to stderr, errors as one plain sentence."""

import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from datetime import datetime

import psycopg2
import psycopg2.errors
import typer
from pydantic import ValidationError
from rich.console import Console

from pipeline_common.at_start import STOPPED, end_at_once
from pipeline_common.errors import StackError
from pipeline_common.untrusted import visible

OTHER_VERSION = (
    "The tables are not those of this version: {}. `make up` upgrades a released version; else"
    " `make reset up` begins with new data"
)
#: What is said when the tables and the program do not fit together.
TABLES: dict[type[psycopg2.Error], str] = {
    psycopg2.errors.UndefinedTable: OTHER_VERSION,
    psycopg2.errors.UndefinedColumn: OTHER_VERSION,
    psycopg2.errors.CheckViolation: (
        "The table rejects a row that the rules accept: {}. No row was moved: correct the rule,"
        " then run this again"
    ),
}

# rich leaves colour and animation out where there is no terminal, or NO_COLOR is set.
stderr = Console(stderr=True, highlight=False)


def counted(number: int, noun: str) -> str:
    """A count with its noun: 1 record, 2,000 records, 3 batches."""
    ending = "" if number == 1 else "es" if noun.endswith("ch") else "s"
    return f"{number:,} {noun}{ending}"


class VisibleFormatter(logging.Formatter):
    """Log lines in which a record's text can neither control the terminal nor start a new line."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line without a traceback."""
        return visible(super().formatMessage(record)).replace("\n", "\\n")


def log_to_stderr(level: int = logging.INFO) -> None:
    """Send log lines to stderr with their time in UTC; call it once, first in a script."""
    logging.Formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        VisibleFormatter(
            "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S"
        )
    )
    logging.basicConfig(level=level, handlers=[handler])
    # What a script does itself has messages of its own.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    logging.getLogger("httpx").setLevel(logging.WARNING)


def run(app: typer.Typer) -> None:
    """Run a script and end it: 0 done, 1 failed with a sentence, 2 wrong usage, 130 Ctrl-C."""
    imports_took_ctrl_c = signal.getsignal(signal.SIGINT) is end_at_once
    try:
        try:
            if imports_took_ctrl_c:
                signal.signal(signal.SIGINT, signal.default_int_handler)
            app()
        finally:
            if imports_took_ctrl_c:
                signal.signal(signal.SIGINT, end_at_once)
            sys.stdout.flush()  # now, while a failure can still be reported
    except ValidationError as error:
        [wrong, *_] = error.errors()
        name = ".".join(map(str, wrong["loc"])).upper()
        _fail(f"The setting {name} is wrong: {wrong['msg']}. Check the environment and .env")
    except SystemExit as end:
        if end.code == STOPPED:
            stderr.print("\nStopped.")
        raise
    except StackError as error:
        _fail(str(error))
    except psycopg2.OperationalError as error:
        _fail(f"The database does not answer: {_first_line(error)}. Is the stack up? make status")
    except tuple(TABLES) as error:
        _fail(TABLES[type(error)].format(_first_line(error)))
    except BrokenPipeError:
        _close_stdout()  # `| head` closed the pipe: that is no failure
    except OSError as error:
        _close_stdout()
        _fail(f"Cannot continue: {_first_line(error)}")
    except _kafka_error() as error:
        _fail(f"Kafka does not answer: {_first_line(error)}. Is the stack up? make status")


def _kafka_error() -> type[Exception]:
    # Imported only for a failure: without it, a script that needs no Kafka starts a third sooner.
    from kafka.errors import KafkaError  # noqa: PLC0415

    error: type[Exception] = KafkaError
    return error


def _close_stdout() -> None:
    """Discard what is left in the buffer; otherwise Python would complain at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def zoned(text: str) -> datetime:
    """The time that a text gives; raises BadParameter if it is not a time or has no zone."""
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a time such as 2026-01-31T10:00:00Z") from None
    if time.tzinfo is None:
        raise typer.BadParameter(f"{text!r} has no time zone: add Z for UTC")
    return time


def stdin_lines() -> Iterator[bytes]:
    """The lines of standard input, without their ends; raises StackError if it is closed."""
    if sys.stdin is None:
        raise StackError("Standard input is closed: pipe the records in, or name them.")
    for line in sys.stdin.buffer:
        yield line.removesuffix(b"\n")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _fail(sentence: str) -> None:
    stderr.print(visible(sentence), style="red", soft_wrap=True, markup=False)
    sys.exit(1)

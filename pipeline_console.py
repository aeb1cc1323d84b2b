"""How every script talks: results to stdout, log lines to stderr, errors as one plain sentence."""

import logging
import os
import re
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import datetime

import psycopg2
import tabulate
import typer
from kafka.errors import KafkaError
from rich.console import Console

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


tabulate.MIN_PADDING = 0  # headers of numbers need no extra room
SHORTEST_TEXT = 12


def table(
    rows: Iterable[Sequence[object]], headers: Sequence[str], width: int | None = None
) -> str:
    """Rows as a table that a person can read, the same on a terminal and in a pipe.

    Text stays as it is, also if it looks like a number. Where the table would be wider than
    `width` characters, its longest texts are broken over several lines.
    """
    columns = [_as_shown(column) for column in zip(*rows, strict=True)]
    texts = [n for n, column in enumerate(columns) if any(isinstance(v, str) for v in column)]
    if width:
        _break_texts(columns, headers, texts, width)
    return tabulate.tabulate(
        list(zip(*columns, strict=True)),
        headers,
        "psql",
        floatfmt=".2f",
        disable_numparse=texts,
        preserve_whitespace=True,
    )


def _as_shown(column: Sequence[object]) -> list[object]:
    times = [value for value in column if isinstance(value, datetime)]
    only_days = not any(value.hour or value.minute or value.second for value in times)
    form = "%Y-%m-%d" if only_days else "%Y-%m-%d %H:%M:%S"
    return [_in_words(value, form) for value in column]


def _in_words(value: object, form: str) -> object:
    if isinstance(value, datetime):
        return value.strftime(form)
    return ("no", "yes")[value] if isinstance(value, bool) else value


def _break_texts(
    columns: list[list[object]], headers: Sequence[str], texts: list[int], width: int
) -> None:
    lengths = [max(map(len, map(str, [h, *c]))) for h, c in zip(headers, columns, strict=True)]
    while texts and sum(lengths) + 3 * len(lengths) + 1 > width:
        longest = max(texts, key=lambda n: lengths[n])
        if lengths[longest] <= SHORTEST_TEXT:
            break
        lengths[longest] -= 1
    for n in texts:
        columns[n] = [_broken(value, lengths[n]) for value in columns[n]]


def _broken(value: object, length: int) -> object:
    if not isinstance(value, str):
        return value
    # At a blank or after an underscore; within a word only where the word itself is too long.
    line = rf".{{1,{length}}}(?:(?<=_)|(?=\s)|$)|.{{1,{length}}}"
    parts = [
        re.findall(line, whole, re.M) if len(whole) > length else [whole]
        for whole in value.splitlines()
    ]
    return "\n".join(part.strip() if len(some) > 1 else part for some in parts for part in some)


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

"""Rows as a table that a person can read."""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from datetime import datetime

import tabulate

from pipeline_common.untrusted import visible

tabulate.MIN_PADDING = 0  # headers of numbers need no extra room
SHORTEST_TEXT = 12
LONGEST_ID = 60  # a longer word is not an id but JSON without spaces, or the like


def screen_width() -> int:
    """Columns of the terminal; COLUMNS overrides it, and a pipe counts as 100."""
    return shutil.get_terminal_size((100, 24)).columns


def symbols_wanted() -> bool:
    """Whether stdout shows more than ASCII: a terminal, without NO_COLOR and TERM=dumb."""
    plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain


def table(
    rows: Iterable[Sequence[object]],
    headers: Sequence[str],
    width: int | None = None,
    floats: str | Sequence[str] = ".2f",
) -> str:
    """Rows as a table that a person can read; `floats` formats all numbers or those of each column.

    A table with a `width` is for the screen and has box characters where symbols_wanted(). One
    without is the same everywhere, so that it can be stored.

    Text stays as it is, even if it looks like a number; only control characters are escaped. Where
    the table would be wider than `width` characters, its longest texts are broken at spaces; no
    word of LONGEST_ID or less is broken, so that an id can be copied. Where that is not enough,
    each row becomes a record, one line for each column, as psql's \\x shows it.
    """
    columns = [_as_shown(column) for column in zip(*rows, strict=True)]
    texts = [n for n, column in enumerate(columns) if any(isinstance(v, str) for v in column)]
    if width and not _break_texts(columns, headers, texts, width):
        return _records(columns, headers, width)
    return tabulate.tabulate(
        list(zip(*columns, strict=True)),
        headers,
        "rounded_outline" if width and symbols_wanted() else "psql",
        floatfmt=floats,
        disable_numparse=texts,
        preserve_whitespace=True,
    )


def _records(columns: list[list[object]], headers: Sequence[str], width: int) -> str:
    labels = max(map(len, headers))
    lines = []
    for number, row in enumerate(zip(*columns, strict=True), start=1):
        lines.append(f"-[ {number} ]".ljust(width, "-"))
        for header, value in zip(headers, row, strict=True):
            parts = _wrapped(_as_text(value), max(width - labels - 3, SHORTEST_TEXT))
            lines.append(f"{header:{labels}} | {parts[0]}".rstrip())
            lines += [f"{'':{labels}} | {part}" for part in parts[1:]]
    return "\n".join(lines)


def _as_text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _as_shown(column: Sequence[object]) -> list[object]:
    times = [value for value in column if isinstance(value, datetime)]
    only_days = not any(value.hour or value.minute or value.second for value in times)
    form = "%Y-%m-%d" if only_days else "%Y-%m-%d %H:%M:%S"
    return [_in_words(value, form) for value in column]


def _in_words(value: object, form: str) -> object:
    if isinstance(value, datetime):
        return value.strftime(form)
    if isinstance(value, list):  # an array from the database
        return visible(", ".join(map(str, value)))
    if isinstance(value, str):
        return visible(value)
    return ("no", "yes")[value] if isinstance(value, bool) else value


def _break_texts(
    columns: list[list[object]], headers: Sequence[str], texts: list[int], width: int
) -> bool:
    """Wrap texts until the table is no wider than `width`; False if no table can be so narrow."""
    cells = [[str(value) for value in (h, *c)] for h, c in zip(headers, columns, strict=True)]
    lengths = [max(map(len, column)) for column in cells]
    words = [
        min(max(len(word) for cell in column for word in cell.split() or [""]), LONGEST_ID)
        for column in cells
    ]
    frame = 3 * len(lengths) + 1
    while sum(lengths) + frame > width:
        shrinkable = [n for n in texts if lengths[n] > max(words[n], SHORTEST_TEXT)]
        if not shrinkable:
            return False
        lengths[max(shrinkable, key=lambda n: lengths[n])] -= 1
    for n in texts:
        columns[n] = [
            "\n".join(_wrapped(value, lengths[n])) if isinstance(value, str) else value
            for value in columns[n]
        ]
    return True


def _wrapped(text: str, length: int) -> list[str]:
    """Lines of `length` at most, broken at spaces; within a word only if the word is longer."""
    wrapper = textwrap.TextWrapper(
        length, break_on_hyphens=False, expand_tabs=False, replace_whitespace=False
    )
    lines: list[str] = []
    for line in text.splitlines():
        lines += wrapper.wrap(line) if len(line) > length else [line]
    return lines or [""]

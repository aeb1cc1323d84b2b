"""Tables fit the page: long text is wrapped, everything else stays as it is."""

import os
import sys
from datetime import datetime, timezone

import pytest

from pipeline_common.tables import table
from tests.terminal import terminal

LONG = "price_not_a_number, stock_negative, name_missing"


def test_long_text_is_broken_at_blanks_and_no_word_is() -> None:
    """Nothing is left out, and the table is as wide as it may be at most."""
    printed = table([(1, "short", LONG), (2, "short", "")], ["id", "a", "issues"], 40)
    assert max(map(len, printed.splitlines())) <= 40
    rows = [line.split("|")[3].strip() for line in printed.splitlines() if line.startswith("| ")]
    assert rows[1:-1] == ["price_not_a_number,", "stock_negative,", "name_missing"]


@pytest.mark.parametrize("width", [80, 120])
def test_a_table_that_cannot_be_so_narrow_becomes_records(width: int) -> None:
    """With every id whole, and texts broken."""
    batch = "scheduled__2026-11-27T02:00:00+00:00"
    rows = [(batch, batch.replace("scheduled", "manual"), batch.upper(), "word " * 40, 1, None)]
    printed = table(rows, ["batch", "manual", "upper", "text", "number", "nothing"], width)
    assert max(map(len, printed.splitlines())) <= width
    assert "number  | 1" in printed
    assert printed.count("word") == 40
    for value in rows[0][:3]:
        assert value in printed


def test_json_without_blanks_is_broken_and_an_id_is_not() -> None:
    """A table stays a table at 80 columns."""
    batch, text = "scheduled__2026-11-27T02:00:00+00:00", '{"a":"' + 200 * "x" + '"}'
    printed = table([("batch", batch), ("as sent", text)], ["step", "what"], 80)
    assert max(map(len, printed.splitlines())) <= 80
    assert f"| batch   | {batch} " in printed
    assert "".join(line[12:-2].strip() for line in printed.splitlines()[4:-1]) == text


def test_text_that_fits_is_not_touched() -> None:
    """Blanks at its ends are data, and what looks like a number is none."""
    assert "|   x   | 1e400 |" in table([("  x  ", "1e400")], ["a", "b"], 100)


def test_a_number_is_never_broken() -> None:
    """A table of numbers is as wide as they are."""
    assert "123456789" in table([(123456789, 123456789)], ["a", "b"], 10)


def test_times_and_truth_in_words() -> None:
    """Without microseconds; days alone where a column holds nothing else."""
    day, moment = (
        datetime(2026, 1, 2, tzinfo=timezone.utc),
        datetime(2026, 1, 2, 3, 4, 5, 6, timezone.utc),
    )
    printed = table([(day, day, True), (day, moment, False)], ["day", "time", "compressed"])
    assert "| 2026-01-02 | 2026-01-02 00:00:00 | yes        |" in printed
    assert "| 2026-01-02 | 2026-01-02 03:04:05 | no         |" in printed


BATCH = "scheduled__2026-11-27T02:00:00+00:00"
PRINTED = f"""
from pipeline_common.tables import screen_width, table
rows = [("{BATCH}", "word " * 30, 1)]
print(table(rows, ["batch", "text", "count"], {{}}))
"""


def at_a_terminal(width: str, columns: int, **settings: str) -> list[str]:
    """The lines of a table that a script prints at a terminal."""
    inherited = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS")}
    command = [sys.executable, "-c", PRINTED.format(width)]
    with terminal(command, inherited | settings, columns) as screen:
        assert screen.ended() == 0, screen.shown
        return screen.shown.splitlines()


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_shows_box_characters(columns: int) -> None:
    """As wide as it is at most, with every id whole."""
    lines = at_a_terminal("screen_width()", columns)
    assert lines[0].startswith("╭")
    assert max(map(len, lines)) <= columns
    assert sum(BATCH in line for line in lines) == 1


@pytest.mark.parametrize("setting", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_a_plain_terminal_is_asked_for(setting: dict[str, str]) -> None:
    """By the usual two settings."""
    lines = at_a_terminal("screen_width()", 80, **setting)
    assert lines[0].startswith("+--")
    assert "\n".join(lines).isascii()


def test_a_table_to_store_does_not_depend_on_the_terminal() -> None:
    """It has no width: a report reads the same whoever made it."""
    assert at_a_terminal("None", 80)[0].startswith("+--")

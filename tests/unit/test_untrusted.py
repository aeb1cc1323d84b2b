"""A record's text must not affect the terminal that shows it."""

import logging

import pytest

from pipeline_common.console import VisibleFormatter
from pipeline_common.tables import table
from pipeline_common.untrusted import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]52;c;ZXZpbA==\x07", "\\x1b]52;c;ZXZpbA==\\x07"),  # writes to the clipboard
        ("\x1b]0;title\x1b\\", "\\x1b]0;title\\x1b\\"),  # sets the window's title
        ("\x9b2J", "\\x9b2J"),  # clears the screen, by one C1 character
        ("over\rwritten", "over\\rwritten"),
        ("\u202eevil", "\\u202eevil"),  # turns the direction of writing
        ("\ud800", "\\ud800"),  # half of a pair: no terminal can be sent it
        ("tab\tline\nend, é漢🙂", "tab\tline\nend, é漢🙂"),
    ],
)
def test_control_characters_are_shown_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_table_shows_them_escaped() -> None:
    assert "\x1b" not in table([("\x1b]0;t\x07", 1)], ["name", "n"], width=40)


def test_a_log_line_stays_one_line() -> None:
    record = logging.LogRecord("x", 30, "x", 1, "bad: %s", ("a\n2026 INFO fake\x1b[2J",), None)
    assert VisibleFormatter("%(message)s").format(record) == "bad: a\\n2026 INFO fake\\x1b[2J"

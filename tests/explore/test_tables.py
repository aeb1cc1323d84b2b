"""Tables fit the page: long text is broken, everything else stays as it is."""

from datetime import datetime, timezone

from pipeline_console import table

LONG = "price_not_a_number, stock_negative, name_missing"


def test_long_text_is_broken_at_blanks_and_underscores() -> None:
    """Nothing is left out, and the table is as wide as it may be at most."""
    printed = table([(1, "short", LONG), (2, "short", "")], ["id", "a", "issues"], 40)
    assert max(map(len, printed.splitlines())) <= 40
    rows = [line.split("|")[3].strip() for line in printed.splitlines() if line.startswith("| ")]
    assert rows[1:-1] == ["price_not_a_number,", "stock_negative, name_", "missing"]


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

"""The quality report: measured in the database, stored as well as printed."""

from typing import Any

from psycopg2.extensions import connection as Connection

from batch_pipeline import report
from batch_pipeline.ledger import Ledger
from tests.integration.batch.conftest import product, rows, run_batch

STORED = """SELECT received, clean, superseded, quarantined, pass_rate::text, reasons, report
            FROM batch_reports WHERE batch_id = %(batch_id)s"""


def run(connection: Connection, batch_id: str, good: int, bad: int) -> str:
    """A batch of `good` valid rows from one vendor and `bad` ones without a price from another."""
    valid = [product(f"{batch_id}-{number}") for number in range(good)]
    return run_batch(
        connection, batch_id, {"neat": valid, "sloppy": [product("A", price=None)] * bad}
    )


def stored(connection: Connection, batch_id: str) -> tuple[Any, ...]:
    return rows(connection, STORED, batch_id)[0]


def test_totals_pass_rate_and_reasons_by_vendor_are_stored_as_printed(
    connection: Connection,
) -> None:
    printed = run(connection, "run", good=6, bad=3)
    reasons = {"sloppy": {"price_missing": 3}}
    assert stored(connection, "run") == (9, 6, 0, 3, "66.67", reasons, printed)
    assert "9 received = 6 clean + 0 superseded by newer + 3 quarantined: adds up" in printed


def test_the_change_is_against_the_average_of_the_last_seven_runs(connection: Connection) -> None:
    run(connection, "too long ago", good=1, bad=99)
    for number in range(7):
        run(connection, f"run-{number}", good=8, bad=2)
    printed = run(connection, "today", good=9, bad=1)
    (line,) = [line for line in printed.splitlines() if "pass %" in line and "vendor" not in line]
    assert line.split("|")[2:5] == [cell for cell in line.split("|")[2:5] if cell.strip()]
    assert [float(cell) for cell in line.split("|")[2:5]] == [90, 80, 10]
    stored = "SELECT change FROM batch_reports WHERE batch_id = 'today'"
    expected = {"runs": 7, "received": 0.0, "quarantined": -1.0, "pass %": 10.0}
    assert rows(connection, stored) == [(expected,)]


def test_a_report_made_again_is_the_same_and_stored_once(connection: Connection) -> None:
    for batch_id in ("first", "second"):
        run(connection, batch_id, good=2, bad=1)
    before = stored(connection, "first")
    assert report.generate_report(connection, "first") == before[-1]
    assert rows(connection, "SELECT count(*) FROM batch_reports") == [(2,)]


def test_a_report_of_nothing_has_no_pass_rate() -> None:
    assert report.pass_rate(Ledger(0, 0, 0, 0)) is None

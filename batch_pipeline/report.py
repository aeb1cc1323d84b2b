"""The quality report of a batch: measured in the database, stored in batch_reports, printed."""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from batch_pipeline.database import locked_transaction
from batch_pipeline.ledger import Ledger, read_ledger
from batch_pipeline.rules import RULE_VERSION
from pipeline_common.sql_files import read_sql
from pipeline_common.tables import table
from pipeline_common.untrusted import visible

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

Rows = list[tuple[Any, ...]]


def generate_report(connection: "Connection", batch_id: str) -> str:
    """Measure the batch, store the report in batch_reports and return it as text."""
    with locked_transaction(connection, batch_id) as cursor:
        batch = {"batch_id": batch_id}
        ledger = read_ledger(cursor, batch_id)
        sources = _rows(cursor, "rows_by_source", batch)
        reasons = _rows(cursor, "reasons_by_source", batch)
        missing = [source for (source,) in _rows(cursor, "missing_sources", batch)]
        runs, change = _change(ledger, *_rows(cursor, "last_seven_runs", batch)[0])
        sections = [
            _heading(batch_id, ledger, missing),
            _totals(sources, ledger),
            _reasons(reasons),
            _change_table(runs, change),
        ]
        report = visible("\n\n".join(sections))
        figures = {
            "rule_version": RULE_VERSION,
            "pass_rate": pass_rate(ledger),
            "missing_sources": missing,
            "reasons": json.dumps(_nested(reasons)),
            "change": json.dumps(
                {"runs": runs} | {row[0]: row[-1] for row in change}, default=float
            ),
            "report": report,
        }
        cursor.execute(read_sql("batch/store_report"), batch | ledger._asdict() | figures)
    return report


def pass_rate(ledger: Ledger) -> Decimal | None:
    """Accepted rows as a percentage of those received, 2 decimals; None if nothing was received."""
    return _percent(ledger.clean + ledger.superseded, ledger.received)


def _percent(part: int, whole: int) -> Decimal | None:
    return round(Decimal(100 * part) / whole, 2) if whole else None


def _rows(cursor: "Cursor", name: str, values: dict[str, Any]) -> Rows:
    cursor.execute(read_sql(f"batch/{name}"), values)
    return cursor.fetchall()


def _nested(reasons: Rows) -> dict[str, dict[str, int]]:
    by_source: dict[str, dict[str, int]] = {}
    for source, reason, count in reasons:
        by_source.setdefault(source, {})[reason] = count
    return by_source


def _heading(batch_id: str, ledger: Ledger, missing: Sequence[str]) -> str:
    lines = [
        f"Quality report of batch {batch_id} (rules version {RULE_VERSION})",
        f"{ledger.received} received = {ledger.clean} clean + {ledger.superseded} superseded by "
        f"newer + {ledger.quarantined} quarantined: "
        + ("adds up" if ledger.adds_up else "DOES NOT ADD UP"),
    ]
    if missing:
        lines.append(f"MISSING, could not be scraped: {', '.join(missing)}")
    return "\n".join(lines)


def _totals(sources: Rows, ledger: Ledger) -> str:
    accepted = ledger.clean + ledger.superseded
    rows = [*sources, ("all", ledger.received, accepted, ledger.quarantined)]
    with_rate = [(*row, _percent(row[2], row[1])) for row in rows]
    return table(with_rate, ["vendor", "received", "accepted", "quarantined", "pass %"])


def _reasons(reasons: Rows) -> str:
    if not reasons:
        return "Nothing was quarantined."
    return table(reasons, ["vendor", "reason", "rows"])


def _change(
    ledger: Ledger,
    runs: int,
    received: Decimal | None,
    rate: Decimal | None,
    quarantined: Decimal | None,
) -> tuple[int, Rows]:
    """How many earlier runs there are, and for each figure: current, average, difference."""
    figures = [
        ("received", ledger.received, received),
        ("quarantined", ledger.quarantined, quarantined),
        ("pass %", pass_rate(ledger), rate),
    ]
    return runs, [
        (name, today, before, None if today is None or before is None else today - before)
        for name, today, before in figures
    ]


def _change_table(runs: int, change: Rows) -> str:
    if not runs:
        return "No earlier run to compare with."
    before = "the run before" if runs == 1 else f"average of the last {runs}"
    headers = ["", "this run", before, "change"]
    return table(change, headers, floats=("", "g", ".2f", "+.2f"))

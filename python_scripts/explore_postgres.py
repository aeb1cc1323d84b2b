"""Look at pipeline_db: tables, zones, clean products, analytics, and why rows are rejected.

\b
python python_scripts/explore_postgres.py               # everything, then a console
python python_scripts/explore_postgres.py raw rejected  # only that
echo 'SELECT 1' | python python_scripts/explore_postgres.py console

Sections: tables, raw, clean, analytics, rejected, batches, console.
"""

if __name__ == "__main__":
    try:
        from pipeline_common.at_start import ready_for_ctrl_c

        ready_for_ctrl_c()
    except ModuleNotFoundError:
        raise SystemExit("Activate the environment first: source .venv/bin/activate") from None

from typing import TYPE_CHECKING, Any

import typer

from batch_pipeline.rules import validate_record
from pipeline_common.console import run
from pipeline_common.settings import Settings
from python_scripts.drawing import warning
from python_scripts.explorer import AsJson, Limit, Section, SectionNames, Write, explore, queries
from python_scripts.queries import Result, as_objects, run_query, with_bars

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

NEW = "pending"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def raw(connection: "Connection") -> list[Result]:
    """Raw rows, issues marked; in brackets what the rules say about pending ones."""
    latest = run_query(connection, "raw_latest")
    rows = [_marked(row) for row in as_objects(latest)]
    headers = [*latest.headers[:-2], "", "issues"]
    return [run_query(connection, "batch_zones"), latest._replace(headers=headers, rows=rows)]


def _marked(row: dict[str, Any]) -> list[object]:
    *fields, issues, text = row.values()
    if row["state"] == NEW:
        found = validate_record(text).issues
        return [*fields, warning(bool(found)), f"({', '.join(found) or 'valid'})"]
    return [*fields, warning(bool(issues)), issues]


def analytics(connection: "Connection") -> list[Result]:
    """What the stock is worth, and how prices are spread, drawn as bars."""
    return [
        with_bars(run_query(connection, "inventory_value"), "value"),
        with_bars(run_query(connection, "price_distribution"), "products"),
    ]


SECTIONS: dict[str, Section] = {
    "tables": queries("batch_tables"),
    "raw": raw,
    "clean": queries("clean_latest"),
    "analytics": analytics,
    "rejected": queries("top_rejection_reasons", "rejections_by_vendor", "quarantine_latest"),
    "batches": queries("batch_runs", "batch_ledger"),
}


@app.command(help=__doc__)
def main(
    sections: SectionNames = None, as_json: AsJson = False, write: Write = False, limit: Limit = 200
) -> None:
    """Show pipeline_db: tables, raw, clean, analytics, rejected, batches, console."""
    explore(Settings().postgres, SECTIONS, sections, as_json=as_json, write=write, limit=limit)


if __name__ == "__main__":
    run(app)

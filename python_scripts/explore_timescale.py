"""Look at timeseries_db: hypertables, chunks, averages, distributions, and how a query is planned.

\b
python python_scripts/explore_timescale.py              # everything, then a console
python python_scripts/explore_timescale.py chunks plan  # only that

Sections: hypertables, chunks, recent, averages, distribution, locations, rejected, late, gaps,
plan, console.
"""

if __name__ == "__main__":
    try:
        from pipeline_common.at_start import ready_for_ctrl_c

        ready_for_ctrl_c()
    except ModuleNotFoundError:
        raise SystemExit("Activate the environment first: source .venv/bin/activate") from None

from typing import TYPE_CHECKING

import typer

from pipeline_common.console import run
from pipeline_common.settings import Settings
from python_scripts.drawing import sparkline
from python_scripts.explorer import AsJson, Limit, Section, SectionNames, Write, explore, queries
from python_scripts.queries import Result, run_query, with_bars

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def averages(connection: "Connection") -> list[Result]:
    """The newest 5-minute averages, and the course over two hours as a sparkline per sensor."""
    course = run_query(connection, "five_minute_course")
    drawn = [(*row[:-1], sparkline(row[-1])) for row in course.rows]
    return [run_query(connection, "five_minute_averages"), course._replace(rows=drawn)]


def over_time(connection: "Connection") -> list[Result]:
    """How many readings came in each quarter of an hour."""
    return [with_bars(run_query(connection, "readings_over_time"), "readings")]


def plan(connection: "Connection") -> list[Result]:
    """The plan of a query that can exclude chunks by time, and of one that cannot."""
    return [
        _explain(connection, "plan_with_exclusion"),
        _explain(connection, "plan_without_exclusion"),
    ]


def _explain(connection: "Connection", name: str) -> Result:
    result = run_query(connection, name)
    scanned = sum("_hyper_" in str(line) and "Scan" in str(line) for (line,) in result.rows)
    return result._replace(title=f"{result.title} (chunks read: {scanned})")


SECTIONS: dict[str, Section] = {
    "hypertables": queries("stream_hypertables"),
    "chunks": queries("stream_chunks"),
    "recent": queries("recent_readings", "sensor_silence"),
    "averages": averages,
    "distribution": over_time,
    "locations": queries("location_comparison"),
    "rejected": queries("stream_ledger", "invalid_reasons", "rejection_share", "invalid_latest"),
    "late": queries("late_readings"),
    "gaps": queries("sensor_gaps"),
    "plan": plan,
}


@app.command(help=__doc__)
def main(
    sections: SectionNames = None, as_json: AsJson = False, write: Write = False, limit: Limit = 200
) -> None:
    """Show timeseries_db section by section."""
    explore(Settings().timescale, SECTIONS, sections, as_json=as_json, write=write, limit=limit)


if __name__ == "__main__":
    run(app)

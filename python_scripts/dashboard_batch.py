"""The batch page: the zones, what the stock is worth, the pass rate of each run, reasons."""

from contextlib import closing
from typing import TYPE_CHECKING

import altair as alt
import pandas as pd
import streamlit as st

from pipeline_common.database import connect
from pipeline_common.settings import Settings
from python_scripts.dashboard_parts import (
    BAD,
    BLUE,
    GOOD,
    HEIGHT,
    NEUTRAL,
    REFRESH_SECONDS,
    WAITING,
    frame,
    show_reasons,
    told_if_away,
)

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

ZONES = {"clean": GOOD, "superseded": NEUTRAL, "quarantined": BAD, "pending": WAITING}
START_A_RUN = "Start one: `python python_scripts/run_dag.py`"


@st.fragment(run_every=REFRESH_SECONDS)
def batch_page() -> None:
    """Vendors → Airflow → PostgreSQL."""
    settings = Settings()
    st.header("Batch: vendors → Airflow → PostgreSQL")
    login = settings.reader(settings.postgres)
    with told_if_away("PostgreSQL"), closing(connect(login, "dashboard")) as connection:
        show_zones(connection)
        show_runs(connection)


def show_zones(connection: "Connection") -> None:
    """The flow from raw to the other zones, and what is in the clean one."""
    left, right = st.columns(2)
    left.subheader("Where each raw product is")
    left.graphviz_chart(flow(frame(connection, "batch_zones").iloc[0].to_dict()))
    right.subheader("What the stock is worth")
    worth = alt.Chart(frame(connection, "inventory_value"), height=HEIGHT).mark_bar(color=BLUE)
    category = alt.Y("category:N", title=None, sort="-x").axis(labelOverlap=False, labelFlush=False)
    dollars = alt.X("value:Q", title="US dollars").axis(format="~s", tickCount=6)
    right.altair_chart(worth.encode(x=dollars, y=category))


def show_runs(connection: "Connection") -> None:
    """How well the runs did, and what was wrong with the products."""
    left, right = st.columns(2)
    left.subheader("Pass rate of each run, %")
    runs = frame(connection, "batch_runs")
    if runs.empty:
        left.info(f"No run yet. {START_A_RUN}")
    else:
        left.altair_chart(pass_rates(runs))
    right.subheader("Why products were rejected")
    show_reasons(right, frame(connection, "top_rejection_reasons"))


def pass_rates(runs: pd.DataFrame) -> alt.Chart:
    """A bar for each run, oldest first."""
    runs["run"] = [f"{time:%d %b|%H:%M:%S}" for time in runs["reported_at"]]
    in_two_lines = alt.Axis(labelAngle=0, labelExpr="split(datum.label, '|')")
    bars: alt.Chart = alt.Chart(runs[::-1], height=HEIGHT).mark_bar(color=GOOD, size=24)
    return bars.encode(
        x=alt.X("run:N", title=None, sort=None, axis=in_two_lines),
        y=alt.Y("pass_rate:Q", title=None, stack=None).scale(domain=[0, 100]),
    )


def flow(zones: dict[str, int]) -> str:
    """A graph in the DOT language: raw → each zone, with arrows as thick as their share of raw."""
    raw = zones["raw"]
    lines = [
        "rankdir=LR; bgcolor=transparent; ranksep=1.5",
        'node [shape=box style="rounded,filled" fontname="sans-serif" fontcolor=white penwidth=0]',
        f'raw [label="raw: {raw}" fillcolor="{BLUE}"]',
    ]
    for zone, colour in ZONES.items():
        label = f"{zone.replace('_', ' ')}: {zones[zone]}"
        lines += [
            f'{zone} [label="{label}" fillcolor="{colour}" width=2]',
            f'raw -> {zone} [color="{colour}" penwidth={1 + 9 * zones[zone] / (raw or 1):.1f}]',
        ]
    return "digraph {" + "; ".join(lines) + "}"

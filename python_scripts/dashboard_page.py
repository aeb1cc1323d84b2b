"""The live page: what streams in, where each product is, and how far the consumers lag.

Streamlit runs this file from top to bottom for each visitor; `python python_scripts/dashboard.py`
starts it. The numbers come from the queries of sql/queries/, and are read anew every two seconds.
"""

import time
from contextlib import closing
from typing import TYPE_CHECKING

import altair as alt
import pandas as pd
import psycopg2
import streamlit as st
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from pipeline_settings import VALIDATOR_GROUP, Settings
from python_scripts import kafka_views
from python_scripts.queries import as_objects, run_query

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

REFRESH_SECONDS = 2
HEIGHT = 240
GOOD, BAD, NEUTRAL, WAITING = "#3d8b4d", "#c0564a", "#8a8f98", "#d9a441"
VERDICTS = {"valid": GOOD, "invalid": BAD, "duplicate": NEUTRAL}
ZONES = {"clean": GOOD, "superseded": NEUTRAL, "quarantined": BAD, "not_judged_yet": WAITING}
BLUE = "#3567b5"
LOCATIONS = [BLUE, WAITING, "#7a5aa6"]


def frame(connection: "Connection", name: str) -> pd.DataFrame:
    """The rows of sql/queries/NAME.sql; exact decimals become floats, which charts need."""
    result = run_query(connection, name)
    rows = pd.DataFrame(as_objects(result), columns=list(result.headers))
    decimals = [
        name for name in rows if rows[name].map(type).astype(str).str.contains("Decim").any()
    ]
    return rows.astype(dict.fromkeys(decimals, float))


def utc(name: str, parts: str, kind: str = "T") -> alt.X:
    """A time axis in UTC, as everywhere in this project; a browser would take its own zone."""
    return alt.X(f"utc{parts}({name}):{kind}", title=None)


# --- Stream ---------------------------------------------------------------------------------------


@st.fragment(run_every=REFRESH_SECONDS)
def stream(settings: Settings) -> None:
    """Sensors: totals, lag, temperature by location, verdicts by minute, reasons."""
    st.header("Stream: sensors → Kafka → TimescaleDB")
    try:
        with closing(psycopg2.connect(**settings.timescale, connect_timeout=3)) as connection:
            totals = frame(connection, "stream_ledger").drop(columns="topic").sum().astype(int)
            show_totals(totals.to_dict(), lag(settings.kafka_bootstrap_servers))
            show_readings(connection)
    except psycopg2.OperationalError as error:
        st.warning(f"TimescaleDB does not answer: {error} This page goes on trying.")


def lag(address: str) -> str:
    """How many messages the validators have not read yet, or "?" while Kafka does not answer."""
    try:
        groups = kafka_views.groups(kafka_admin(address))
    except KafkaError:
        return "?"
    return str(sum(row[-1] for row in groups.rows if row[0] == VALIDATOR_GROUP))


@st.cache_resource
def kafka_admin(address: str) -> KafkaAdminClient:
    """One admin client for all refreshes."""
    return KafkaAdminClient(
        bootstrap_servers=address, bootstrap_timeout_ms=3000, request_timeout_ms=3000
    )


def show_totals(totals: dict[str, int], consumer_lag: str) -> None:
    """Each total, its growth in the last minute as far as this page saw it, and the lag."""
    now = time.monotonic()
    seen: list[tuple[float, dict[str, int]]] = st.session_state.setdefault("seen", [])
    seen.append((now, totals))
    while seen[0][0] < now - 60:
        seen.pop(0)
    *columns, last = st.columns(len(totals) + 1)
    for column, (name, value) in zip(columns, totals.items(), strict=True):
        grown = value - seen[0][1].get(name, value)
        column.metric(name, value, f"{grown} in a minute" if grown else None, delta_color="off")
    last.metric("consumer lag", consumer_lag)


def show_readings(connection: "Connection") -> None:
    """What timeseries_db holds."""
    st.subheader("Temperature by location, the last 15 minutes")
    lines = alt.Chart(frame(connection, "temperature_lines"), height=HEIGHT).mark_line()
    st.altair_chart(
        lines.encode(
            x=utc("time", "hoursminutesseconds"),
            y=alt.Y("temperature", title="°C").scale(zero=False),
            color=alt.Color("location", title=None).scale(range=LOCATIONS),
        )
    )
    left, right = st.columns(2)
    left.subheader("Readings by minute")
    left.altair_chart(by_minute(frame(connection, "stream_minutes")))
    right.subheader("Why readings were rejected")
    right.table(by_reason(frame(connection, "invalid_reasons")))


def by_minute(rows: pd.DataFrame) -> alt.Chart:
    """Valid, invalid and duplicate readings of each minute, one on the other."""
    long = rows.melt("minute", var_name="verdict", value_name="readings")
    long["order"] = long["verdict"].map(list(VERDICTS).index)
    colours = alt.Color("verdict", title=None, sort=list(VERDICTS))
    bars: alt.Chart = alt.Chart(long, height=HEIGHT).mark_bar()
    return bars.encode(
        x=utc("minute", "hoursminutes", "O"),
        y=alt.Y("readings", title=None),
        color=colours.scale(domain=list(VERDICTS), range=list(VERDICTS.values())),
        order="order",
    )


def by_reason(rows: pd.DataFrame) -> "pd.io.formats.style.Styler":
    """A table with the reason at the head of each row."""
    return rows.set_index("reason").style.format(precision=2)


# --- Batch ----------------------------------------------------------------------------------------


@st.fragment(run_every=REFRESH_SECONDS)
def batch(settings: Settings) -> None:
    """Products: the zones, the pass rate by run, reasons, inventory."""
    st.header("Batch: vendors → Airflow → PostgreSQL")
    try:
        with closing(psycopg2.connect(**settings.postgres, connect_timeout=3)) as connection:
            show_batch(connection)
    except psycopg2.OperationalError as error:
        st.warning(f"PostgreSQL does not answer: {error} This page goes on trying.")


def show_batch(connection: "Connection") -> None:
    """What pipeline_db holds: the flow from raw to the other zones, and the runs."""
    left, right = st.columns(2)
    left.subheader("Where each raw product is")
    left.graphviz_chart(flow(frame(connection, "batch_zones").iloc[0].to_dict()))
    right.subheader("What the stock is worth")
    worth = alt.Chart(frame(connection, "inventory_value"), height=HEIGHT).mark_bar(color=BLUE)
    category = alt.Y("category", title=None, sort="-x").axis(labelOverlap=False)
    right.altair_chart(worth.encode(x=alt.X("value", title="US dollars"), y=category))
    left, right = st.columns(2)
    left.subheader("Pass rate of each run, %")
    left.altair_chart(pass_rates(frame(connection, "batch_runs")))
    right.subheader("Why products were rejected")
    right.table(by_reason(frame(connection, "top_rejection_reasons")))


def pass_rates(runs: pd.DataFrame) -> alt.Chart:
    """A bar for each run, the oldest first."""
    runs["run"] = [f"{time:%d %b|%H:%M:%S}" for time in runs["reported_at"]]
    in_two_lines = alt.Axis(labelAngle=0, labelExpr="split(datum.label, '|')")
    bars: alt.Chart = alt.Chart(runs[::-1], height=HEIGHT).mark_bar(color=GOOD, size=24)
    return bars.encode(
        x=alt.X("run", title=None, sort=None, axis=in_two_lines),
        y=alt.Y("pass_rate", title=None, stack=None).scale(domain=[0, 100]),
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


def page() -> None:
    """Both pipelines, one above the other."""
    st.set_page_config("Data pipelines", layout="wide")
    st.html("<style>.stMainBlockContainer {padding-top: 2rem}</style>")
    st.title("Data pipelines, live")
    st.caption(f"Read from the databases and Kafka every {REFRESH_SECONDS} seconds. Times are UTC.")
    settings = Settings()
    stream(settings)
    batch(settings)


page()

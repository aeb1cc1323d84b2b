"""The live page: what streams in, where each product is, and how far the consumers lag.

Streamlit runs this file from top to bottom for each visitor; `python python_scripts/dashboard.py`
starts it. The numbers come from the queries of sql/queries/, and are read anew every two seconds.
"""

import time
from contextlib import closing
from typing import Any

import altair as alt
import pandas as pd  # type: ignore[import-untyped]
import psycopg2
import streamlit as st
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from pipeline_settings import VALIDATOR_GROUP, Settings
from python_scripts import kafka_views
from python_scripts.queries import Result, as_objects, run_query

REFRESH_SECONDS = 2
COLOURS = {"valid": "#3d8b4d", "invalid": "#c0564a"}


def frame(login: dict[str, Any], name: str) -> pd.DataFrame:
    """The rows of sql/queries/NAME.sql."""
    with closing(psycopg2.connect(**login, connect_timeout=3)) as connection:
        return as_frame(run_query(connection, name))


def as_frame(result: Result) -> pd.DataFrame:
    """Rows with their column names; exact decimals become floats, which charts need."""
    rows = pd.DataFrame(as_objects(result), columns=list(result.headers))
    decimals = [
        name for name in rows if rows[name].map(type).astype(str).str.contains("Decim").any()
    ]
    return rows.astype(dict.fromkeys(decimals, float))


def utc(name: str, parts: str, kind: str = "T") -> alt.X:
    """A time axis in UTC, as everywhere in this project; a browser would take its own zone."""
    return alt.X(f"utc{parts}({name}):{kind}", title="UTC")


@st.cache_resource
def kafka_admin(address: str) -> KafkaAdminClient:
    """One admin client for all refreshes."""
    return KafkaAdminClient(bootstrap_servers=address, bootstrap_timeout_ms=3000)


@st.fragment(run_every=REFRESH_SECONDS)
def stream(settings: Settings) -> None:
    """Sensors: totals, lag, temperature by location, valid and invalid by minute, reasons."""
    st.header("Stream")
    try:
        totals = frame(settings.timescale, "stream_ledger").sum(numeric_only=True).astype(int)
        show_totals(totals.to_dict() | {"lag": lag(settings.kafka_bootstrap_servers)})
        show_readings(settings.timescale)
    except psycopg2.Error as error:
        st.warning(f"TimescaleDB does not answer: {error}. This page goes on trying.")
    except KafkaError as error:
        st.warning(f"Kafka does not answer: {error}. This page goes on trying.")


def lag(address: str) -> int:
    """How many messages the validators have not read yet."""
    groups = kafka_views.groups(kafka_admin(address))
    return sum(row[-1] for row in groups.rows if row[0] == VALIDATOR_GROUP)


def show_totals(totals: dict[str, int]) -> None:
    """Each total, and by how much it grew in the last minute, as far as this page has seen it."""
    now = time.monotonic()
    seen: list[tuple[float, dict[str, int]]] = st.session_state.setdefault("seen", [])
    seen.append((now, totals))
    while seen[0][0] < now - 60:
        seen.pop(0)
    for column, (name, value) in zip(st.columns(len(totals)), totals.items(), strict=True):
        grown = value - seen[0][1].get(name, value)
        column.metric(
            name, value, f"{grown} in the last minute" if grown else None, delta_color="off"
        )


def show_readings(login: dict[str, Any]) -> None:
    """What timeseries_db holds."""
    st.subheader("Temperature by location, the last 15 minutes")
    lines = alt.Chart(frame(login, "temperature_lines"), height=260).mark_line()
    degrees = alt.Y("temperature", title="°C").scale(zero=False)
    st.altair_chart(lines.encode(x=utc("time", "hoursminutesseconds"), y=degrees, color="location"))
    left, right = st.columns(2)
    left.subheader("Received by minute")
    left.altair_chart(minutes(frame(login, "stream_minutes")))
    right.subheader("Why readings were rejected")
    right.dataframe(frame(login, "invalid_reasons"), hide_index=True)


def minutes(rows: pd.DataFrame) -> alt.Chart:
    """Valid and invalid readings of each minute, one on the other."""
    long = rows.melt("minute", var_name="verdict", value_name="readings")
    colours = alt.Color("verdict").scale(domain=list(COLOURS), range=list(COLOURS.values()))
    bars: alt.Chart = alt.Chart(long, height=260).mark_bar()
    return bars.encode(x=utc("minute", "hoursminutes", "O"), y="readings", color=colours)


@st.fragment(run_every=REFRESH_SECONDS)
def batch(settings: Settings) -> None:
    """Products: the zones, the pass rate by run, reasons, inventory."""
    st.header("Batch")
    try:
        show_batch(settings.postgres)
    except psycopg2.Error as error:
        st.warning(f"PostgreSQL does not answer: {error}. This page goes on trying.")


def show_batch(login: dict[str, Any]) -> None:
    """What pipeline_db holds: the flow from raw to the other zones, and the runs."""
    zones = frame(login, "batch_zones").iloc[0].to_dict()
    for column, (name, rows) in zip(st.columns(len(zones)), zones.items(), strict=True):
        label = name.replace("_", " ")
        column.metric("raw products" if name == "raw" else f"→ {label}", int(rows))
    left, right = st.columns(2)
    left.subheader("Pass rate by run")
    runs = alt.Chart(frame(login, "batch_runs"), height=260).mark_line(point=True)
    rate = alt.Y("pass_rate", title="%").scale(domain=[0, 100])
    left.altair_chart(runs.encode(x=utc("reported_at", "hoursminutesseconds"), y=rate))
    right.subheader("Why products were rejected")
    right.dataframe(frame(login, "top_rejection_reasons"), hide_index=True)
    st.subheader("What the stock is worth, by category")
    st.bar_chart(frame(login, "inventory_value"), x="category", y="value", horizontal=True)


def page() -> None:
    """Both pipelines, one above the other."""
    st.set_page_config("Data pipelines", layout="wide")
    st.title("Data pipelines, live")
    settings = Settings()
    stream(settings)
    batch(settings)


page()

"""The stream page: totals, lag, temperatures, verdicts by minute, who reads which sensor."""

import time
from contextlib import closing
from typing import TYPE_CHECKING

import altair as alt
import pandas as pd
import streamlit as st
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from pipeline_common.console import counted
from pipeline_common.database import connect
from pipeline_common.settings import VALIDATOR_GROUP, Settings
from pipeline_common.untrusted import visible
from python_scripts import kafka_views
from python_scripts.dashboard_parts import (
    BAD,
    BLUE,
    GOOD,
    HEIGHT,
    NEUTRAL,
    REFRESH_SECONDS,
    VIOLET,
    WAITING,
    frame,
    quoted,
    show_reasons,
    told_if_away,
    utc,
)
from python_scripts.queries import Result

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

VERDICTS = {"valid": GOOD, "invalid": BAD, "duplicate": NEUTRAL}
LOCATIONS = [BLUE, WAITING, VIOLET]
GAP = pd.Timedelta(minutes=1)  # a line is broken where nothing came for this long
LEAST_SECONDS = 10  # over which a rate is computed
NO_GROUP = Result("groups", "", [], [])
START_BOTH = (
    "Start both, each in a terminal: `python streaming_pipeline/sensor_simulator.py` and "
    "`python streaming_pipeline/stream_validator.py`"
)


@st.fragment(run_every=REFRESH_SECONDS)
def stream_page() -> None:
    """Sensors → Kafka → TimescaleDB."""
    settings = Settings()
    st.header("Stream: sensors → Kafka → TimescaleDB")
    login = settings.reader(settings.timescale)
    with told_if_away("TimescaleDB"), closing(connect(login, "dashboard")) as connection:
        groups = consumer_groups(settings.kafka_bootstrap_servers)
        totals = frame(connection, "stream_ledger").drop(columns="topic").sum().astype(int)
        show_totals(totals.to_dict(), kafka_views.lag(groups, VALIDATOR_GROUP))
        show_temperatures(frame(connection, "temperature_lines"))
        show_verdicts(connection)
        show_readers(frame(connection, "sensor_partitions"), groups)


def consumer_groups(address: str) -> Result:
    """Kafka's consumer groups; none while Kafka does not answer."""
    try:
        return kafka_views.groups(kafka_admin(address))
    except KafkaError:
        return NO_GROUP


@st.cache_resource
def kafka_admin(address: str) -> KafkaAdminClient:
    """One admin client for all refreshes."""
    return KafkaAdminClient(
        bootstrap_servers=address, bootstrap_timeout_ms=3000, request_timeout_ms=3000
    )


def show_totals(totals: dict[str, int], consumer_lag: str) -> None:
    """Each total, its growth per minute since this page was opened, and the lag."""
    now = time.monotonic()
    seen: list[tuple[float, dict[str, int]]] = st.session_state.setdefault("seen", [])
    seen.append((now, totals))
    while seen[0][0] < now - 60:
        seen.pop(0)
    (begin, before) = seen[0]
    seconds = now - begin
    with st.container(horizontal=True):
        for name, value in totals.items():
            grown = value - before.get(name, value)
            rate = f"{60 * grown / seconds:.0f} per minute" if seconds > LEAST_SECONDS else ""
            delta = rate if grown else None
            st.metric(name, f"{value:,}", delta, delta_color="off", width=150)
        st.metric("consumer lag", consumer_lag, help=f"of {VALIDATOR_GROUP}; ? if there is none")


def show_temperatures(rows: pd.DataFrame) -> None:
    """A line for each location."""
    st.subheader("Temperature by location, the last 15 minutes")
    if rows.empty:
        st.info(f"No readings in this time. {START_BOTH}")
    else:
        st.altair_chart(by_location(rows))


def by_location(temperatures: pd.DataFrame) -> alt.Chart:
    """A line for each location, broken where nothing came."""
    ordered = temperatures.sort_values(["location", "time"])
    gap = ordered.groupby("location")["time"].diff() > GAP
    ordered["piece"] = gap.groupby(ordered["location"]).cumsum().astype(int)
    legend = alt.Legend(orient="top", columns=alt.ExprRef("width < 500 ? 2 : 3"))  # a phone's two
    lines: alt.Chart = alt.Chart(ordered, height=HEIGHT).mark_line()
    return lines.encode(
        x=utc("time", "hoursminutesseconds"),
        y=alt.Y("temperature:Q", title="°C").scale(zero=False),
        color=alt.Color("location:N", title=None, legend=legend).scale(range=LOCATIONS),
        detail="piece:N",
    )


def show_verdicts(connection: "Connection") -> None:
    """What the rules said, by minute and by reason."""
    left, right = st.columns(2)
    left.subheader("Records of each minute")
    minutes = frame(connection, "stream_minutes")
    if minutes[list(VERDICTS)].to_numpy().any():
        left.altair_chart(by_minute(minutes))
    else:
        left.info(f"No record in the last ten minutes. {START_BOTH}")
    right.subheader("Why readings were rejected")
    show_reasons(right, frame(connection, "invalid_reasons"))


def by_minute(rows: pd.DataFrame) -> alt.Chart:
    """Valid, invalid and duplicate records of each minute, stacked."""
    long = rows.melt("minute", var_name="verdict", value_name="records")
    long["order"] = long["verdict"].map(list(VERDICTS).index)
    colours = alt.Color(
        "verdict:N", title=None, sort=list(VERDICTS), legend=alt.Legend(orient="top")
    )
    bars: alt.Chart = alt.Chart(long, height=HEIGHT).mark_bar()
    return bars.encode(
        x=utc("minute", "hoursminutes", "O"),
        y=alt.Y("records:Q", title=None),
        color=colours.scale(domain=list(VERDICTS), range=list(VERDICTS.values())),
        order="order:Q",
    )


def show_readers(sensors: pd.DataFrame, groups: Result) -> None:
    """Which partition each sensor's readings are in, and which validator reads it."""
    st.subheader("Sensor → partition → validator")
    if sensors.empty:
        st.info(f"No sensor has sent in the last 15 minutes. {START_BOTH}")
    else:
        st.graphviz_chart(readers(sensors, groups))
        st.caption("The key of a message decides its partition; the group assigns the partitions.")


def readers(sensors: pd.DataFrame, groups: Result) -> str:
    """A graph in the DOT language: sensor → partition → member of the group."""
    of_group = {
        (row[2], row[3]): (row[1], row[5]) for row in groups.rows if row[0] == VALIDATOR_GROUP
    }
    lines = [
        "rankdir=LR; bgcolor=transparent; ranksep=1.2; nodesep=0.12",
        'node [shape=box style="rounded,filled" fontname="sans-serif" fontcolor=white penwidth=0 '
        "width=2 height=0.35]",
        f'edge [color="{NEUTRAL}"]',
    ]
    for number, row in enumerate(sensors.to_dict("records")):
        place = row["topic"], row["partition"]
        member, lag = of_group.get(place, ("none", "?"))
        partition = quoted(f"partition {row['partition']}, lag {lag}")
        sensor = quoted(visible(f"{row['sensor_id']}: {counted(row['readings'], 'reading')}"))
        reader = quoted("no validator" if member == "none" else f"validator {member}")
        lines += [
            f's{number} [label={sensor} fillcolor="{BLUE}"]',
            f'{partition} [fillcolor="{VIOLET}"]',
            f'{reader} [fillcolor="{BAD if member == "none" else GOOD}"]',
            f"s{number} -> {partition}",
            f"{partition} -> {reader}",
        ]
    return "strict digraph {" + "; ".join(lines) + "}"

"""The page that follows one record, as trace.py does in a terminal."""

from collections.abc import Callable
from contextlib import closing

import psycopg2
import streamlit as st
import typer
from kafka.errors import KafkaError

from pipeline_common.console import zoned
from pipeline_common.errors import StackError
from pipeline_common.settings import SENSOR_TOPIC, Settings
from pipeline_common.untrusted import visible
from python_scripts.dashboard_parts import plain
from python_scripts.trace import postgres, timescale
from python_scripts.trace_products import trace_product, trace_raw_row
from python_scripts.trace_records import Origin, Step, trace_reading, trace_record

Trace = Callable[[Settings], list[Step]]


def trace_page() -> None:
    """A form for each way to name a record, and the steps of its path."""
    st.header("Trace: the path of one record")
    kinds = {
        "Kafka record": record_form,
        "reading": reading_form,
        "product": product_form,
        "raw row": raw_form,
    }
    kind = st.segmented_control("By", list(kinds), default="Kafka record", required=True)
    with st.form("trace"):
        trace = kinds[kind]()
        wanted = st.form_submit_button("Follow it")
    if wanted:
        show(trace)
    else:
        st.info(
            "Offsets are in `python python_scripts/explore_kafka.py peek`, ids of raw rows in "
            "`python python_scripts/explore_postgres.py raw`."
        )


def record_form() -> Trace:
    """By topic, partition and offset."""
    left, middle, right = st.columns(3)
    topic = left.text_input("Topic", SENSOR_TOPIC)
    partition = int(middle.number_input("Partition", 0, step=1))
    offset = int(right.number_input("Offset", 0, step=1))

    def trace(settings: Settings) -> list[Step]:
        with closing(timescale(settings)) as connection:
            origin = Origin(topic, partition, offset)
            return trace_record(connection, settings.kafka_bootstrap_servers, origin)

    return trace


def reading_form() -> Trace:
    """By sensor and time."""
    left, right = st.columns(2)
    sensor_id = left.text_input("Sensor", "sensor_1")
    time = right.text_input("Time, with time zone", placeholder="2026-01-31T10:00:00Z")

    def trace(settings: Settings) -> list[Step]:
        at = zoned(time)
        with closing(timescale(settings)) as connection:
            return trace_reading(connection, settings.kafka_bootstrap_servers, sensor_id, at)

    return trace


def product_form() -> Trace:
    """By product_id."""
    product_id = st.text_input("Product", placeholder="TEC-0001")

    def trace(settings: Settings) -> list[Step]:
        with closing(postgres(settings)) as connection:
            return trace_product(connection, settings.airflow_url, product_id)

    return trace


def raw_form() -> Trace:
    """By the id in raw_products."""
    raw_id = int(st.number_input("Raw row", 1, step=1))

    def trace(settings: Settings) -> list[Step]:
        with closing(postgres(settings)) as connection:
            return trace_raw_row(connection, settings.airflow_url, raw_id)

    return trace


def show(trace: Trace) -> None:
    """The steps one below the other, or a sentence that says where the page looked for it."""
    try:
        steps = trace(Settings())
    except (StackError, typer.BadParameter) as error:
        st.warning(plain(str(error)))
        return
    except (psycopg2.OperationalError, KafkaError) as error:
        st.warning(
            f"A server does not answer: {visible(str(error))} Is the stack up? `make status`"
        )
        return
    for step in steps:
        name, what = st.columns([1, 4])
        name.markdown(f"**{step.step}**")
        if step.step == "task log" and step.what.startswith("http"):
            what.link_button("The task's log in Airflow", step.what)
        else:
            what.code(visible(step.what), language=None, wrap_lines=True)

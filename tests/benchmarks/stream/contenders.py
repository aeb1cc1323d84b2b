"""The contenders of the benchmark: ours, PostgreSQL's COPY, and other ways from Kafka to tables.

Each is given a place with an empty database and told what ours has stored of the same topic; it
returns what it took to store as much.
"""

import sys
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import psycopg2
from kafka import KafkaConsumer, TopicPartition

from pipeline_common.errors import StackError
from tests.benchmarks.stream.lab import Cost, Place, asking, time_processes
from tests.benchmarks.stream.peers import packages
from tests.benchmarks.stream.report import LIMIT, TWO

VALIDATOR = [sys.executable, "streaming_pipeline/stream_validator.py"]
TABLES = ("sensor_readings", "sensor_readings_invalid")

COUNT_READ = "SELECT coalesce(sum(records), 0) FROM stream_offsets"
COUNT_TIMELESS = """
SELECT count(*) FROM sensor_readings_invalid WHERE 'timestamp_missing' = ANY (issues)"""
COUNT_ROWS = """
SELECT (SELECT count(*) FROM sensor_readings) + (SELECT count(*) FROM sensor_readings_invalid)"""
LAST_READINGS = """
SELECT array_agg(time), array_agg(sensor_id) FROM (
    SELECT DISTINCT ON (partition) time, sensor_id FROM sensor_readings
    WHERE topic IS NOT NULL ORDER BY partition, "offset" DESC) AS last"""
COUNT_LAST = """
SELECT count(*) FROM unnest(%s, %s) AS last (time, sensor_id)
JOIN sensor_readings USING (time, sensor_id)"""

# Kafka Connect's own table
LANDING_IS_THERE = "SELECT to_regclass('landing') IS NOT NULL"
COUNT_LANDED = """
SELECT count(*) FROM unnest(%s, %s) AS last (partition, "offset")
JOIN landing ON __connect_topic = %s AND __connect_partition = last.partition
            AND __connect_offset = last."offset" """

# Telegraf's own table
READINGS_ARE_THERE = "SELECT to_regclass('readings') IS NOT NULL"
COUNT_READINGS = "SELECT count(*) FROM readings"


class Reference(NamedTuple):
    """What the validator has stored of a topic."""

    records: int
    folder: Path  # the rows of each table, as COPY reads them
    rows: int  # in both tables
    timeless: int  # records without a timestamp
    last_times: list[Any]  # of the last reading of each partition
    last_sensors: list[str]


def time_validators(place: Place, records: int, validators: int = 1) -> Cost:
    """Ours, until every record is accounted for."""
    command = [*VALIDATOR, "--topic", place.topic, "--group", f"{place.topic}_{validators}"]
    with asking(place) as ask:
        return time_processes(
            place, [command] * validators, lambda: bool(ask(COUNT_READ) == records)
        )


def keep_reference(place: Place, records: int, folder: Path) -> Reference:
    """Take the validated rows out of the database that the validator has filled."""
    with closing(psycopg2.connect(**place.login)) as connection, connection.cursor() as cursor:
        for name in TABLES:
            with (folder / name).open("wb") as file:
                query = f"SELECT * FROM {name} WHERE topic IS NOT NULL"
                cursor.copy_expert(f"COPY ({query}) TO STDOUT", file)
        cursor.execute(COUNT_ROWS)
        rows = cursor.fetchone()[0]
        cursor.execute(COUNT_TIMELESS)
        timeless = cursor.fetchone()[0]
        cursor.execute(LAST_READINGS)
        return Reference(records, folder, rows, timeless, *cursor.fetchone())


def time_copy(place: Place, reference: Reference) -> Cost:
    """The limit: PostgreSQL's own COPY of the validated rows into the same two tables."""
    login = " ".join(f"{key}={value}" for key, value in place.login.items())
    orders = [f"-c\\copy {name} FROM '{reference.folder / name}'" for name in TABLES]
    return time_processes(place, [["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *orders, login]])


def time_peer(place: Place, reference: Reference, *, script: str) -> Cost:
    """A peer that validates, until it has stored as many rows as ours, and the last ones."""
    with asking(place) as ask:

        def done() -> bool:
            last = ask(COUNT_LAST, reference.last_times, reference.last_sensors)
            there = last == len(reference.last_times)
            return bool(there and ask(COUNT_ROWS) == reference.rows)

        return time_processes(place, [peer(script, place.topic)], done)


def peer(script: str, *arguments: str, python: str = "") -> list[str]:
    """What starts a script of peers, with its own packages unless `python` has them."""
    module = f"tests.benchmarks.stream.peers.{script}"
    return [python or str(packages.python()), "-m", module, *arguments]


def time_connect(place: Place, _: Reference) -> Cost:
    """Kafka Connect, until the last record of each partition is in its table."""
    jars = str(packages.connect_jars())
    command = peer("kafka_connect", place.topic, jars, python=sys.executable)
    last = (*last_offsets(place), place.topic)
    with asking(place) as ask:

        def done() -> bool:
            return bool(ask(LANDING_IS_THERE) and ask(COUNT_LANDED, *last) == len(last[0]))

        return time_processes(place, [command], done)


def time_telegraf(place: Place, reference: Reference) -> Cost:
    """Telegraf, until each record that has a timestamp is in its table; it drops the others."""
    telegraf = [str(packages.telegraf()), "--config", str(packages.HERE / "telegraf.conf")]
    wanted = reference.records - reference.timeless
    with asking(place) as ask:

        def done() -> bool:
            begin = time.monotonic()
            rows = ask(COUNT_READINGS) if ask(READINGS_ARE_THERE) else 0
            if rows > wanted:
                raise StackError(f"Telegraf has stored {rows} rows of {wanted} records.")
            if rows < wanted:  # a count reads the whole table, which has no index: count seldom
                time.sleep(10 * (time.monotonic() - begin))
            return bool(rows == wanted)

        return time_processes(place, [["env", f"TOPIC={place.topic}", *telegraf]], done)


def last_offsets(place: Place) -> tuple[list[int], list[int]]:
    """The topic's partitions and the last offset in each."""
    bootstrap = place.stack.settings.kafka_bootstrap_servers
    with closing(KafkaConsumer(bootstrap_servers=bootstrap)) as consumer:
        numbers = consumer.partitions_for_topic(place.topic)
        ends = consumer.end_offsets([TopicPartition(place.topic, number) for number in numbers])
    return [part.partition for part in ends], [offset - 1 for offset in ends.values()]


def time_kafka_python(place: Place, _: Reference, *, validate: bool) -> Cost:
    """The validator's client without a database, until it has read the topic to its end."""
    options = ["--validate"] if validate else []
    command = peer("read_kafka_python", place.topic, *options, python=sys.executable)
    return time_processes(place, [command])


def time_confluent(place: Place, _: Reference) -> Cost:
    """The same, with the client in C."""
    return time_processes(place, [peer("read_confluent", place.topic)])


CONTENDERS: dict[str, Callable[[Place, Reference], Cost]] = {
    LIMIT: time_copy,
    TWO: lambda place, reference: time_validators(place, reference.records, 2),
    "naive": partial(time_peer, script="naive"),
    "confluent-kafka + COPY": partial(time_peer, script="confluent_copy"),
    "aiokafka + asyncpg": partial(time_peer, script="aiokafka_copy"),
    "Bytewax": partial(time_peer, script="bytewax_flow"),
    "Quix Streams": partial(time_peer, script="quix"),
    "Kafka Connect": time_connect,
    "Telegraf": time_telegraf,
    "read: kafka-python": partial(time_kafka_python, validate=False),
    "read and validate: kafka-python": partial(time_kafka_python, validate=True),
    "read: confluent-kafka": time_confluent,
}

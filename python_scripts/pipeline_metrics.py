"""The metrics of both pipelines: one function for each server, and for each ledger.

Each opens a new connection, asks, and returns the answer. docs/monitoring.md says what each metric
is for.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any

from kafka import KafkaAdminClient
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from pipeline_common.database import connect
from pipeline_common.settings import SENSOR_TOPIC, VALIDATOR_GROUP
from pipeline_common.sql_files import read_sql
from python_scripts import kafka_views

#: Below Prometheus' timeout, so that one slow answer does not hide the others.
ANSWER_SECONDS = 4

Samples = Iterable[tuple[Sequence[object], float]]  # the labels' values, and the value


def gauge(name: str, text: str, labels: list[str], samples: Samples) -> Metric:
    """A value that goes up and down."""
    return filled(GaugeMetricFamily(name, text, labels=labels), samples)


def counter(name: str, text: str, labels: list[str], samples: Samples) -> Metric:
    """A value that only rises; its name gets the ending _total."""
    return filled(CounterMetricFamily(name, text, labels=labels), samples)


def filled(family: GaugeMetricFamily | CounterMetricFamily, samples: Samples) -> Metric:
    """The family with its samples."""
    for labels, value in samples:
        family.add_metric([str(label) for label in labels], float(value))
    return family


def rows(login: dict[str, Any], *names: str) -> list[list[tuple[Any, ...]]]:
    """The rows of each of these queries of sql/."""
    results = []
    with (
        closing(connect(login, "exporter", statement_seconds=ANSWER_SECONDS)) as connection,
        connection.cursor() as cursor,
    ):
        for name in names:
            cursor.execute(read_sql(name))
            results.append(cursor.fetchall())
    return results


def connections(database: str, used: int, at_most: int) -> Iterator[Metric]:
    """How near the server is to refusing a login."""
    text = "Connections that the server has now"
    yield gauge("database_connections", text, ["database"], [([database], used)])
    text = "Connections that the server allows"
    yield gauge("database_max_connections", text, ["database"], [([database], at_most)])


def of_timescaledb(login: dict[str, Any]) -> Iterator[Metric]:
    """How far the stream has been read, and when something was stored last."""
    [[used], read] = rows(login, "monitoring/connections", "queries/stream_position")
    yield from connections(login["dbname"], *used)
    labels = ["topic", "partition"]
    parts = [(row[:2], *row[2:]) for row in read]
    read_so_far = [(part, records) for part, _, records, *_ in parts]
    yield counter("stream_records", "Records read and stored", labels, read_so_far)
    following = [(part, offset) for part, offset, *_ in parts]
    yield gauge("stream_next_offset", "The first offset not stored yet", labels, following)
    newest: dict[str, float] = {}
    for (topic, _), *_, at in parts:
        newest[topic] = max(at.timestamp(), newest.get(topic, 0))
    text = "When records were stored last"
    samples = [([topic], at) for topic, at in newest.items()]
    yield gauge("stream_last_write_timestamp_seconds", text, ["topic"], samples)


def of_the_stream_ledger(login: dict[str, Any]) -> Iterator[Metric]:
    """What became of all records, and how many are missing: none, always."""
    [ledger] = rows(login, "queries/stream_ledger")
    kinds = ["valid", "invalid", "duplicate", "expired"]
    samples = [
        ([topic, kind], count)
        for topic, _, *counts, _ in ledger
        for kind, count in zip(kinds, counts, strict=True)
    ]
    text = "Records by what became of them"
    yield gauge("stream_ledger_records", text, ["topic", "outcome"], samples)
    missing = [([topic], missing) for topic, *_, missing in ledger]
    text = "Records read that are nowhere, or in two places (below 0)"
    yield gauge("stream_unaccounted_records", text, ["topic"], missing)


def of_postgres(login: dict[str, Any]) -> Iterator[Metric]:
    """When the last batch was done."""
    [[used], [(done,)]] = rows(login, "monitoring/connections", "monitoring/last_batch")
    yield from connections(login["dbname"], *used)
    text = "When the last batch was done"
    yield gauge("batch_last_success_timestamp_seconds", text, [], [([], done)] if done else [])


def of_the_batch_ledger(login: dict[str, Any]) -> Iterator[Metric]:
    """Where the last batch's rows are, and how many of all batches are missing: none, always."""
    [ledger, last] = rows(login, "queries/batch_ledger", "monitoring/last_batch_rows")
    missing = sum(missing for *_, missing in ledger)
    text = "Raw rows, validated, that are in no other zone, or in two (below 0)"
    yield gauge("batch_unaccounted_rows", text, [], [([], missing)])
    zones = ["clean", "superseded", "quarantined"]
    samples = [
        ([vendor, zone], count)
        for vendor, *counts in last
        for zone, count in zip(zones, counts, strict=True)
    ]
    text = "Rows of the last batch, by where they are"
    yield gauge("batch_rows", text, ["vendor", "zone"], samples)


def of_kafka(address: str) -> Iterator[Metric]:
    """Where the topic ends, and how many validators read it."""
    limit = ANSWER_SECONDS * 1000
    admin = KafkaAdminClient(
        bootstrap_servers=address, bootstrap_timeout_ms=limit, request_timeout_ms=limit
    )
    with closing(admin):
        ends = kafka_views.offsets(admin, [SENSOR_TOPIC])
        members = kafka_views.members_of(admin, VALIDATOR_GROUP)
    samples = [((part.topic, part.partition), end) for part, (_, end) in ends.items()]
    labels = ["topic", "partition"]
    yield gauge("stream_end_offset", "The offset of the next record to come", labels, samples)
    text = "Validators in the consumer group"
    yield gauge("stream_validators", text, ["group"], [([VALIDATOR_GROUP], len(members))])

"""What else one could read the stream with; `bench.py` runs each in an environment of its own.

python bench_peers.py CONTENDER TOPIC

All judge with the validator's own rules, so that only the way from Kafka to the tables differs.
Each runs until it is terminated, but the readers, which end with the topic.
"""

import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import psycopg2
from kafka import KafkaConsumer, TopicPartition
from psycopg2.extras import execute_values

from pipeline_settings import Settings
from streaming_pipeline.rules import RULE_VERSION, Reading, judge

settings = Settings()
VALID = "sensor_readings (time, sensor_id, temperature, humidity, pressure, location)"
INVALID = (
    "sensor_readings_invalid"
    ' (time, sensor_id, issues, raw, key, topic, partition, "offset", rule_version)'
)
Row = tuple[Any, ...]


def judged(
    topic: str, partition: int, offset: int, kafka_ms: int, key: bytes, value: bytes
) -> tuple[str, Row]:
    """The table that a record belongs to, and its row."""
    verdict = judge(value, key, kafka_ms)
    if isinstance(verdict, Reading):
        v = verdict
        return VALID, (
            v.timestamp, v.sensor_id, v.temperature, v.humidity, v.pressure, v.location,
        )  # fmt: skip
    time = datetime.fromtimestamp(kafka_ms / 1000, timezone.utc)
    issues = ", ".join(verdict.issues)
    origin = (topic, partition, offset, RULE_VERSION)
    return INVALID, (time, verdict.sensor_id, issues, value, key, *origin)


def naive(topic: str) -> None:
    """One INSERT per record with autocommit, duplicates remembered in memory.

    Kafka is told every 5 s how far it came: a crash loses or repeats what came in between.
    """
    connection = psycopg2.connect(**settings.timescale)
    connection.autocommit = True
    cursor = connection.cursor()
    seen = set()
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=settings.kafka_bootstrap_servers,
        group_id=f"naive-{topic}",
        auto_offset_reset="earliest",
    )
    for r in consumer:
        table, row = judged(topic, r.partition, r.offset, r.timestamp, r.key, r.value)
        if table == VALID:
            if row[:2] in seen:
                continue
            seen.add(row[:2])
        marks = ", ".join(["%s"] * len(row))
        cursor.execute(f"INSERT INTO {table} VALUES ({marks})", row)  # noqa: S608 - constants


def quix(topic: str) -> None:
    """Quix Streams with its PostgreSQL sink; at least once, repeated readings do nothing."""
    from quixstreams import Application  # noqa: PLC0415
    from quixstreams.sinks.community.postgresql import PostgreSQLSink  # noqa: PLC0415

    login = {k: v for k, v in settings.timescale.items() if k != "dbname"}
    common = {
        **login,
        "dbname": settings.timescale_database,
        "schema_auto_update": False,
        "include_metadata": False,
        "on_conflict_do_nothing": True,
    }
    app = Application(
        broker_address=settings.kafka_bootstrap_servers,
        consumer_group=f"quix-{topic}",
        auto_offset_reset="earliest",
    )
    source = app.topic(topic, value_deserializer="bytes", key_deserializer="bytes")
    names = {table: table[table.index("(") + 1 : -1].replace('"', "") for table in (VALID, INVALID)}

    def to_row(value: bytes, key: bytes, kafka_ms: int, _headers: object) -> dict[str, Any]:
        context = message_context()
        table, row = judged(topic, context.partition, context.offset, kafka_ms, key, value)
        return {"table": table} | dict(zip(names[table].split(", "), row, strict=True))

    from quixstreams import message_context  # noqa: PLC0415

    rows = app.dataframe(source).apply(to_row, metadata=True)
    for table in (VALID, INVALID):
        part = rows[rows["table"] == table].drop("table")
        part.sink(PostgreSQLSink(table_name=table.split(" ")[0], **common))
    app.run()


def bytewax(topic: str) -> None:
    """Bytewax with a sink of our own (it has none for PostgreSQL); at least once."""
    import bytewax.operators as op  # noqa: PLC0415
    from bytewax.connectors.kafka import KafkaSource  # noqa: PLC0415
    from bytewax.dataflow import Dataflow  # noqa: PLC0415
    from bytewax.outputs import DynamicSink, StatelessSinkPartition  # noqa: PLC0415
    from bytewax.testing import cluster_main  # noqa: PLC0415

    class Tables(StatelessSinkPartition):  # type: ignore[misc]
        def __init__(self) -> None:
            self.connection = psycopg2.connect(**settings.timescale)

        def write_batch(self, items: list[Any]) -> None:
            with self.connection, self.connection.cursor() as cursor:
                for table in (VALID, INVALID):
                    if rows := [row for name, row in items if name == table]:
                        insert = f"INSERT INTO {table} VALUES %s ON CONFLICT DO NOTHING"  # noqa: S608
                        execute_values(cursor, insert, rows, page_size=5000)

    class Sink(DynamicSink):  # type: ignore[misc]
        def build(self, *_: object) -> Tables:
            return Tables()

    flow = Dataflow("bench")
    brokers = settings.kafka_bootstrap_servers.split(",")
    source = KafkaSource(brokers, [topic], batch_size=5000)
    stream = op.input("kafka", flow, source)
    rows = op.map(
        "judge",
        stream,
        lambda m: judged(m.topic, m.partition, m.offset, m.timestamp[1], m.key, m.value),
    )
    op.output("tables", rows, Sink())
    cluster_main(flow, [], 0)


def partitions(consumer: KafkaConsumer, topic: str) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]


def polled(topic: str) -> Iterator[Any]:
    """The batches of the whole topic, as the validator polls them."""
    consumer = KafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers, max_poll_records=10_000
    )
    parts = partitions(consumer, topic)
    consumer.assign(parts)
    consumer.seek_to_beginning()
    left = sum(consumer.end_offsets(parts).values()) - sum(map(consumer.position, parts))
    while left > 0:
        for batch in consumer.poll(timeout_ms=500).values():
            left -= len(batch)
            yield batch


def read_kafka_python(topic: str) -> None:
    """Only read the topic, with the client that the validator uses."""
    for _ in polled(topic):
        pass


def judge_kafka_python(topic: str) -> None:
    """Read and judge, store nothing."""
    for batch in polled(topic):
        for record in batch:
            judge(record.value, record.key, record.timestamp)


def read_confluent(topic: str) -> None:
    """Only read the topic, with confluent-kafka, a client in C."""
    import confluent_kafka as ck  # noqa: PLC0415

    config = {"bootstrap.servers": settings.kafka_bootstrap_servers, "group.id": "bench"}
    consumer = ck.Consumer(config)
    numbers = consumer.list_topics(topic).topics[topic].partitions
    parts = [ck.TopicPartition(topic, number, ck.OFFSET_BEGINNING) for number in numbers]
    marks = [consumer.get_watermark_offsets(part) for part in parts]
    left = sum(high - low for low, high in marks)
    consumer.assign(parts)
    while left > 0:
        messages = consumer.consume(10_000, timeout=0.5)
        left -= sum(1 for m in messages if m.error() is None and (m.value() or True))


CONTENDERS = {
    f.__name__: f
    for f in (naive, quix, bytewax, read_kafka_python, judge_kafka_python, read_confluent)
}

if __name__ == "__main__":
    CONTENDERS[sys.argv[1]](sys.argv[2])

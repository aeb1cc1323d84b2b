"""Look at Kafka: brokers, topics, partitions, keys, consumer groups, and the latest readings.

\b
python python_scripts/explore_kafka.py                   # everything
python python_scripts/explore_kafka.py topics groups     # only that
python python_scripts/explore_kafka.py keys --json | jq

Sections: brokers, topics, partitions, keys, groups, members, peek.
"""

if __name__ == "__main__":
    try:
        from pipeline_common.at_start import ready_for_ctrl_c

        ready_for_ctrl_c()
    except ModuleNotFoundError:
        raise SystemExit("Activate the environment first: source .venv/bin/activate") from None

from collections.abc import Callable
from contextlib import closing
from typing import Annotated
from uuid import uuid4

import typer
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.partitioner.default import murmur2

from pipeline_common.console import run
from pipeline_common.settings import SENSOR_TOPIC, Settings
from python_scripts import kafka_views
from python_scripts.explorer import AsJson, SectionNames, check_names
from python_scripts.queries import Result, print_results

KEY_PARTITIONS = 3
KEYS = ["sensor_1", "sensor_2", "sensor_3", "sensor_4"]
POLL_MILLISECONDS = 2000

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def keys(admin: KafkaAdminClient, address: str) -> list[Result]:
    """Produce two messages for each of four keys to a topic of its own, read them, delete it."""
    topic = f"explore_keys_{uuid4().hex[:8]}"
    layout = {topic: {"num_partitions": KEY_PARTITIONS, "replication_factor": 1}}
    admin.create_topics(layout, wait_for_metadata=True)
    try:
        return [_produce(topic, address), _consume(topic, address)]
    finally:
        admin.delete_topics([topic])


def _produce(topic: str, address: str) -> Result:
    rows = []
    with closing(KafkaProducer(bootstrap_servers=address)) as producer:
        for number in (1, 2):
            for key in KEYS:
                value = f"message {number} of {key}"
                sent = producer.send(topic, key=key.encode(), value=value.encode()).get(timeout=30)
                positive_hash = murmur2(key.encode()) & 0x7FFFFFFF
                expected = positive_hash % KEY_PARTITIONS
                rows.append((key, positive_hash, expected, sent.partition, sent.offset, value))
    title = "Produced: the hash of a key decides its partition, so all messages of a key are in one"
    headers = ["key", "hash", f"hash % {KEY_PARTITIONS}", "partition", "offset", "value"]
    return Result("produced", title, headers, rows)


def _consume(topic: str, address: str) -> Result:
    parts = [TopicPartition(topic, partition) for partition in range(KEY_PARTITIONS)]
    with closing(KafkaConsumer(bootstrap_servers=address)) as consumer:
        consumer.assign(parts)
        consumer.seek_to_beginning()
        rows = _read(consumer, parts)
    title = "Consumed: in order within a partition, in no promised order between partitions"
    return Result("consumed", title, ["partition", "offset", "key", "value"], rows)


def peek(admin: KafkaAdminClient, address: str) -> list[Result]:
    """The newest message of each partition of sensor_readings_raw, as its bytes are."""
    rows: list[tuple[object, ...]] = []
    if SENSOR_TOPIC in kafka_views.topic_names(admin):
        ends = kafka_views.offsets(admin, [SENSOR_TOPIC])
        filled = {part: end - 1 for part, (first, end) in ends.items() if end > first}
        with closing(KafkaConsumer(bootstrap_servers=address)) as consumer:
            consumer.assign(list(filled))
            for part, newest in filled.items():
                consumer.seek(part, newest)
            rows = _read(consumer, list(filled))
    title = f"Newest message in each partition of {SENSOR_TOPIC}"
    return [Result("peek", title, ["partition", "offset", "key", "value"], rows)]


def _read(consumer: KafkaConsumer, parts: list[TopicPartition]) -> list[tuple[object, ...]]:
    """Read from the consumer's position up to the current end of its partitions."""
    ends = consumer.end_offsets(parts)
    rows = []
    while any(consumer.position(part) < ends[part] for part in parts):
        for records in consumer.poll(timeout_ms=POLL_MILLISECONDS).values():
            rows += [
                (record.partition, record.offset, _text(record.key), _text(record.value))
                for record in records
            ]
    return sorted(rows)


def _text(data: bytes | None) -> str:
    return "(null)" if data is None else data.decode(errors="backslashreplace")


SECTIONS: dict[str, Callable[[KafkaAdminClient, str], list[Result]]] = {
    "brokers": lambda admin, _: [kafka_views.brokers(admin)],
    "topics": lambda admin, _: [kafka_views.topics(admin)],
    "partitions": lambda admin, _: [kafka_views.partitions(admin, SENSOR_TOPIC)],
    "keys": keys,
    "groups": lambda admin, _: [kafka_views.groups(admin)],
    "members": lambda admin, _: [kafka_views.members(admin)],
    "peek": peek,
}


@app.command(help=__doc__)
def main(
    sections: SectionNames = None,
    bootstrap: Annotated[str, typer.Option(help="Address of another broker.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show Kafka: brokers, topics, partitions, keys, groups, members, peek."""
    check_names(sections, SECTIONS)
    address = bootstrap or Settings().kafka_bootstrap_servers
    with closing(KafkaAdminClient(bootstrap_servers=address, bootstrap_timeout_ms=5000)) as admin:
        chosen = sections or SECTIONS
        print_results((r for name in chosen for r in SECTIONS[name](admin, address)), as_json)


if __name__ == "__main__":
    run(app)

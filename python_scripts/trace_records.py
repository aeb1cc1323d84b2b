"""The path of one Kafka record: as sent, validated, stored, and what it duplicates."""

from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from pipeline_common.console import counted
from pipeline_common.errors import StackError
from pipeline_common.sql_files import read_sql
from streaming_pipeline.places import kafka_time
from streaming_pipeline.rules import RULE_VERSION, Reading, Rejection, validate_record

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

READ_SECONDS = 10


class Step(NamedTuple):
    """One step of a record's path."""

    step: str
    what: str


class Origin(NamedTuple):
    """Where a record is in Kafka."""

    topic: str
    partition: int
    offset: int


def rows(connection: "Connection", name: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows that sql/trace/<name>.sql returns, by column name."""
    with connection, connection.cursor() as cursor:
        cursor.execute(read_sql(f"trace/{name}"), values)
        headers = [column.name for column in cursor.description or ()]
        return [dict(zip(headers, row, strict=True)) for row in cursor.fetchall()]


def trace_reading(
    connection: "Connection", kafka: str, sensor_id: str, time: datetime
) -> list[Step]:
    """The path of the record that the reading of a sensor at a time came from."""
    found = rows(connection, "reading", {"sensor_id": sensor_id, "time": time})
    if not found:
        raise StackError(
            f"sensor_readings has no reading of {sensor_id} at {time.isoformat()}. Was it "
            "rejected? python python_scripts/explore_timescale.py rejected"
        )
    row = found[0]
    if row["topic"] is None:
        return [Step("stored", f"sensor_readings, {row['chunk']}: a sample row of the init SQL")]
    origin = Origin(row["topic"], row["partition"], row["offset"])
    return trace_record(connection, kafka, origin)


def trace_record(connection: "Connection", kafka: str, origin: Origin) -> list[Step]:
    """The path of the record at a topic's partition and offset."""
    record, sent = as_sent(kafka, origin)
    stored = rows(connection, "record", origin._asdict())
    steps = sent
    reading: Reading | Rejection | None = None
    if record is not None:
        reading = validate_record(
            record.value, record.key, record.timestamp, arrival_ms(record, stored)
        )
        steps += [Step("validated now", verdict(reading))]
    for row in stored:
        steps += [Step("stored", place(row))]
        if row["stored_in"] == "stream_duplicates" and isinstance(reading, Reading):
            steps += duplicate_of(connection, reading)
    if not stored:
        steps += [Step("not stored", where_it_would_be(connection, origin))]
    return steps


def arrival_ms(record: ConsumerRecord, stored: list[dict[str, Any]]) -> int:
    """When the record arrived, in ms since 1970: what was not valid is stored with this time."""
    times = [row["time"] for row in stored if row["stored_in"] != "sensor_readings"]
    return int(times[0].timestamp() * 1000) if times else int(record.timestamp)


def as_sent(kafka: str, origin: Origin) -> tuple[ConsumerRecord | None, list[Step]]:
    """The record as Kafka holds it, or None, and the steps that describe it."""
    part = TopicPartition(origin.topic, origin.partition)
    with closing(KafkaConsumer(bootstrap_servers=kafka, bootstrap_timeout_ms=5000)) as consumer:
        known = consumer.partitions_for_topic(origin.topic) or set()
        if origin.partition not in known:
            some = f"partitions {sorted(known)}" if known else "no such topic"
            raise StackError(
                f"Kafka has no partition {origin.partition} of {origin.topic}: {some}."
            )
        consumer.assign([part])
        first = consumer.beginning_offsets([part])[part]
        end = consumer.end_offsets([part])[part]
        if not first <= origin.offset < end:
            holds = f"offsets {first} to {end - 1}" if end > first else "no records"
            return None, [Step("not in Kafka", f"partition {origin.partition} holds {holds}")]
        consumer.seek(part, origin.offset)
        for found in consumer.poll(timeout_ms=READ_SECONDS * 1000, max_records=1).values():
            if found[0].offset == origin.offset:
                return found[0], describe(found[0])
    return None, [Step("not in Kafka", "no record has this offset: perhaps a transaction marker")]


def describe(record: ConsumerRecord) -> list[Step]:
    """The record's place, time and bytes."""
    steps = [
        Step("in Kafka", f"{record.topic}, partition {record.partition}, offset {record.offset}"),
        Step("Kafka's time", f"{kafka_time(record.timestamp)} ({record.timestamp} ms)"),
        Step("key", show(record.key)),
    ]
    steps += [Step("header", f"{name}: {show(value)}") for name, value in record.headers]
    return [*steps, Step("as sent", show(record.value))]


def show(data: bytes | None) -> str:
    """Bytes as text; what is not UTF-8 as escapes."""
    return "(null)" if data is None else data.decode(errors="backslashreplace")


def verdict(result: Reading | Rejection) -> str:
    """What the rules in force say."""
    said = "valid" if isinstance(result, Reading) else ", ".join(result.issues)
    return f"{said} (rule version {RULE_VERSION})"


def place(row: dict[str, Any]) -> str:
    """The table, the chunk and the transaction of a stored record."""
    text = str(row["stored_in"])
    if row["issues"]:
        text += f": {', '.join(row['issues'])} (rule version {row['rule_version']})"
    chunk = f", {row['chunk']}" if row["chunk"] else ""
    return f"{text}{chunk}, transaction {row['transaction']}, {row['time']}"


def duplicate_of(connection: "Connection", reading: Reading) -> list[Step]:
    """The stored reading that has the same content."""
    values = {"sensor_id": reading.sensor_id, "time": reading.timestamp}
    return [
        Step(
            "duplicate of", f"{row['topic']}, partition {row['partition']}, offset {row['offset']}"
        )
        for row in rows(connection, "reading", values)
    ]


def where_it_would_be(connection: "Connection", origin: Origin) -> str:
    """Why no table has the record: not read yet, or deleted by retention."""
    looked = "looked at sensor_readings, sensor_readings_invalid, stream_duplicates"
    position = rows(connection, "position", origin._asdict())
    if not position:
        return f"{looked}; no validator has read this partition yet"
    if position[0]["next_offset"] <= origin.offset:
        at = f"offset {position[0]['next_offset']} since {position[0]['updated_at']}"
        return f"{looked}; the validator is at {at}: it has not got that far"
    expired = rows(connection, "expired", origin._asdict())
    if expired:
        taken = counted(sum(row["records"] for row in expired), "record")
        return f"{looked}; retention has deleted {taken} of this partition"
    return f"{looked}; no record has this offset, or its topic was deleted and created again"

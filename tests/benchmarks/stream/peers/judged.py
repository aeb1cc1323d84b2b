"""A record of the topic as a row of one of the two tables, by the validator's own rules."""

from datetime import datetime, timezone
from typing import Any, NamedTuple

from streaming_pipeline.rules import RULE_VERSION, Reading, judge

VALID = "sensor_readings"
INVALID = "sensor_readings_invalid"
Row = dict[str, Any]


class Record(NamedTuple):
    """What all clients give of a record; `kafka_ms` is its Kafka timestamp."""

    topic: str
    partition: int
    offset: int
    kafka_ms: int
    key: bytes | None
    value: bytes | None


def judged(record: Record) -> tuple[str, Row]:
    """The table that a record belongs to, and its row there."""
    verdict = judge(record.value, record.key, record.kafka_ms)
    if isinstance(verdict, Reading):
        return VALID, {
            "time": verdict.timestamp,
            "sensor_id": verdict.sensor_id,
            "temperature": verdict.temperature,
            "humidity": verdict.humidity,
            "pressure": verdict.pressure,
            "location": verdict.location,
        }
    return INVALID, {
        "time": datetime.fromtimestamp(record.kafka_ms / 1000, timezone.utc),
        "sensor_id": verdict.sensor_id,
        "issues": ", ".join(verdict.issues),
        "raw": record.value,
        "key": record.key,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "rule_version": RULE_VERSION,
    }


def columns(row: Row) -> str:
    """The row's columns as SQL names them."""
    return ", ".join(f'"{name}"' for name in row)

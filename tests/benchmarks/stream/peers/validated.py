"""A record of the topic as a row of one of the two tables, by the validator's own rules."""

import time
from datetime import datetime, timezone
from typing import Any, NamedTuple

from streaming_pipeline.quick_path import validate
from streaming_pipeline.rules import RULE_VERSION, Reading

VALID = "sensor_readings"
INVALID = "sensor_readings_invalid"
#: For who writes by COPY, which knows no ON CONFLICT.
MAKE_STAGING = f"CREATE TEMP TABLE incoming (LIKE {VALID})"
STORE_STAGED = f"""
    INSERT INTO {VALID} SELECT * FROM incoming ON CONFLICT DO NOTHING;
    TRUNCATE incoming"""
Row = dict[str, Any]


class Record(NamedTuple):
    """What all clients give of a record; `kafka_ms` is its Kafka timestamp."""

    topic: str
    partition: int
    offset: int
    kafka_ms: int
    key: bytes | None
    value: bytes | None


def validated(record: Record) -> tuple[str, Row]:
    """The table that a record belongs to, and its row there."""
    received_ms = time.time_ns() // 1_000_000
    verdict = validate(record.value, record.key, record.kafka_ms, received_ms)
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
        "time": datetime.fromtimestamp(received_ms / 1000, timezone.utc),
        "kafka_ms": record.kafka_ms,
        "sensor_id": verdict.sensor_id,
        "issues": verdict.issues,
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

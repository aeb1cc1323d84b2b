"""Rows as COPY takes them in its binary format: nothing to escape, nothing to parse.

A row is the number of its columns, then each column as its length and its bytes (NULL: length
-1). Numbers are big-endian, a timestamptz is the microseconds since 2000-01-01 UTC:
https://www.postgresql.org/docs/15/sql-copy.html, "Binary Format".
"""

from datetime import datetime, timedelta, timezone
from functools import lru_cache
from struct import Struct
from uuid import UUID

from kafka.consumer.fetcher import ConsumerRecord

from streaming_pipeline.kafka_topic import Topic
from streaming_pipeline.rules import EARLY_MS, RULE_VERSION, YEAR_2200_MS, Reading

READING_COLUMNS = (
    "time, sensor_id, temperature, humidity, pressure, location, extra, "
    'topic, topic_id, partition, "offset"'
)
REJECTION_COLUMNS = (
    'time, rule_version, sensor_id, issues, raw, key, topic, topic_id, partition, "offset"'
)
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"

POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=timezone.utc)
POSTGRES_EPOCH_MS = int(POSTGRES_EPOCH.timestamp() * 1000)
MICROSECOND = timedelta(microseconds=1)
JSONB_VERSION = b"\x01"

LENGTH = Struct("!i")
KEY = Struct("!h iq")  # 11 columns: time ...
MEASURED = Struct("!id id id")  # ... temperature, humidity, pressure ...
REJECTION = Struct("!h iq ii")  # 10 columns: time, rule_version ...
ORIGIN = Struct("!ii iq")  # ... partition, offset

Origin = tuple[int, int]  # partition, offset


def key_columns(reading: Reading) -> bytes:
    """How a row for sensor_readings begins: with the columns of the unique key."""
    time = (reading.timestamp - POSTGRES_EPOCH) // MICROSECOND
    return KEY.pack(11, 8, time) + text(reading.sensor_id)


def reading_row(key: bytes, reading: Reading, topic: bytes, origin: Origin) -> bytes:
    """A row for sensor_readings; key_columns() and topic_columns() make two parts of it."""
    partition, offset = origin
    measured = MEASURED.pack(8, reading.temperature, 8, reading.humidity, 8, reading.pressure)
    extra = NULL if reading.extra is None else column(JSONB_VERSION + reading.extra.encode())
    place = ORIGIN.pack(4, partition, 8, offset)
    return b"".join((key, measured, text(reading.location), extra, topic, place))


def rejection_row(
    record: ConsumerRecord, topic: bytes, sensor_id: str | None, issues: list[str]
) -> bytes:
    """A row for sensor_readings_invalid; the raw bytes are in it as they came."""
    return b"".join(
        (
            REJECTION.pack(10, 8, kafka_time(record.timestamp), 4, RULE_VERSION),
            text(sensor_id),
            text(", ".join(issues)),
            column(record.value),
            column(record.key),
            topic,
            ORIGIN.pack(4, record.partition, 8, record.offset),
        )
    )


def origin_of(row: bytes) -> Origin:
    """Where the record of a row stands in Kafka."""
    _, partition, _, offset = ORIGIN.unpack(row[-ORIGIN.size :])
    return partition, offset


def say_the_same(row: bytes, other: bytes) -> bool:
    """Whether two rows differ in nothing but where their records stand in Kafka."""
    return row[: -ORIGIN.size] == other[: -ORIGIN.size]


def topic_columns(topic: Topic) -> bytes:
    """The columns topic and topic_id."""
    return text(topic.name) + column(UUID(topic.id).bytes)


@lru_cache(maxsize=10_000)  # the same sensors and places come again and again
def text(value: str | None) -> bytes:
    """A text column."""
    return NULL if value is None else column(value.encode())


def column(value: bytes | None) -> bytes:
    """A column of bytes, or of what PostgreSQL sends as its bytes."""
    return NULL if value is None else LENGTH.pack(len(value)) + value


def kafka_time(kafka_ms: int) -> int:
    """A record's Kafka timestamp; 1970 where a producer set one that makes no sense."""
    if not EARLY_MS <= kafka_ms < YEAR_2200_MS:
        kafka_ms = 0
    return (kafka_ms - POSTGRES_EPOCH_MS) * 1000

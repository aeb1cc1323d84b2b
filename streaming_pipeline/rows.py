"""Rows in COPY's binary format: nothing to escape, nothing to parse.

A row is the number of its columns, then each column as its length and its bytes (NULL: length
-1). Numbers are big-endian; a timestamptz is the microseconds since 2000-01-01 UTC:
https://www.postgresql.org/docs/15/sql-copy.html, "Binary Format".
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from functools import lru_cache
from struct import Struct
from typing import Any
from uuid import UUID

from streaming_pipeline.kafka_topic import Topic
from streaming_pipeline.record import Record
from streaming_pipeline.rules import MICROSECOND, RULE_VERSION, Reading, Rejection

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"
JSONB_VERSION = b"\x01"
TEXT_OID = 25
LENGTH = Struct("!i")
ARRAY = Struct("!iiIii")  # dimensions, whether one is NULL, type, length, number of the first

POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=timezone.utc)
POSTGRES_EPOCH_MS = int(POSTGRES_EPOCH.timestamp() * 1000)

Valid = tuple[Record, Reading]
Invalid = tuple[Record, Rejection, int]  # ... when it arrived, in ms since 1970 UTC


class CopyTarget:
    """A table's columns in the order of rows for COPY.

    First the columns of fixed length, never NULL, with their format characters of the module
    struct: one Struct packs them all. Then those of variable length.
    """

    def __init__(self, table: str, fixed: dict[str, str], varying: list[str]) -> None:
        self.table = table
        self.columns = ", ".join([*fixed, *varying])
        self._struct = Struct("!h" + "".join(f"i{code}" for code in fixed.values()))
        self._slots: list[Any] = [len(fixed) + len(varying)]
        for code in fixed.values():
            self._slots += [Struct(f"!{code}").size, None]

    def packer(self) -> Callable[..., bytes]:
        """Packs the beginning of a row, its columns of fixed length; not thread-safe."""
        slots, pack = self._slots.copy(), self._struct.pack

        def packed(*values: float) -> bytes:
            slots[2::2] = values
            return pack(*slots)

        return packed


READINGS = CopyTarget(
    "sensor_readings",
    {
        "time": "q",
        "temperature": "d",
        "humidity": "d",
        "pressure": "d",
        "partition": "i",
        '"offset"': "q",
    },
    ["sensor_id", "location", "extra", "topic", "topic_id"],
)
REJECTIONS = CopyTarget(
    "sensor_readings_invalid",
    {"time": "q", "kafka_ms": "q", "rule_version": "i", "partition": "i", '"offset"': "q"},
    ["sensor_id", "issues", "raw", "key", "topic", "topic_id"],
)


def copy_of_readings(topic: Topic, readings: Iterable[Valid]) -> bytes:
    """The readings as input for COPY."""
    return b"".join((HEADER, *_packed_readings(topic, readings), TRAILER))


def _packed_readings(topic: Topic, readings: Iterable[Valid]) -> list[bytes]:
    fixed, topic_columns = READINGS.packer(), _topic_columns(topic)
    parts: list[bytes] = []
    for record, reading in readings:
        time = (reading.timestamp - POSTGRES_EPOCH) // MICROSECOND
        extra = reading.extra
        parts += (
            fixed(
                time,
                reading.temperature,
                reading.humidity,
                reading.pressure,
                record.partition,
                record.offset,
            ),
            text(reading.sensor_id),
            text(reading.location),
            NULL if extra is None else column(JSONB_VERSION + extra.encode()),
            topic_columns,
        )
    return parts


def copy_of_rejections(topic: Topic, rejections: Iterable[Invalid]) -> bytes:
    """The invalid records as input for COPY, with their key and value as they were sent."""
    return b"".join((HEADER, *_packed_rejections(topic, rejections), TRAILER))


def _packed_rejections(topic: Topic, rejections: Iterable[Invalid]) -> list[bytes]:
    fixed, topic_columns = REJECTIONS.packer(), _topic_columns(topic)
    parts: list[bytes] = []
    for record, rejection, received_ms in rejections:
        received = (received_ms - POSTGRES_EPOCH_MS) * 1000
        parts += (
            fixed(received, record.kafka_ms, RULE_VERSION, record.partition, record.offset),
            text(rejection.sensor_id),
            texts(tuple(rejection.issues)),
            column(record.value),
            column(record.key),
            topic_columns,
        )
    return parts


def _topic_columns(topic: Topic) -> bytes:
    return text(topic.name) + column(UUID(topic.id).bytes)


@lru_cache(maxsize=10_000)  # the same sensors and locations repeat
def text(value: str | None) -> bytes:
    """A text column."""
    return NULL if value is None else column(value.encode())


@lru_cache(maxsize=1000)
def texts(values: tuple[str, ...]) -> bytes:
    """A text[] column of one dimension, its first element numbered 1."""
    head = ARRAY.pack(1, 0, TEXT_OID, len(values), 1)
    return column(head + b"".join(map(text, values)))


def column(value: bytes | None) -> bytes:
    """A column of bytes, or of a type whose binary format is its bytes."""
    return NULL if value is None else LENGTH.pack(len(value)) + value

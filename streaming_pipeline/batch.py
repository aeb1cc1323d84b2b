"""One polled batch, judged: lines for COPY, and how far each partition has been read.

Pure functions: nothing here talks to Kafka or to the database.
"""

from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import lru_cache

from kafka.consumer.fetcher import ConsumerRecord

from streaming_pipeline.kafka_topic import Topic
from streaming_pipeline.rules import EARLY_MS, RULE_VERSION, YEAR_2200_MS, Rejection, judge

READING_COLUMNS = (
    'time, sensor_id, temperature, humidity, pressure, location, extra, partition, "offset"'
)
REJECTION_COLUMNS = (
    'time, sensor_id, issues, raw, key, topic, topic_id, partition, "offset", rule_version'
)
NULL = "\\N"
ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
Origin = tuple[int, int]  # partition, offset


@dataclass
class Batch:
    """Judged records of one topic, by partition, in the order of their offsets."""

    topic: Topic
    records: dict[int, list[ConsumerRecord]]
    expected: dict[int, int]  # the next offset that the database must still have
    after: dict[int, int]  # the next offset once the batch is stored
    readings: list[str] = field(default_factory=list)  # lines for COPY, READING_COLUMNS
    rejections: list[str] = field(default_factory=list)  # lines for COPY, REJECTION_COLUMNS

    @property
    def size(self) -> int:
        """How many records it holds."""
        return sum(map(len, self.records.values()))

    def judge(self) -> "Batch":
        """Judge every record; returns itself."""
        for part in self.records.values():
            for record in part:
                verdict = judge(record.value, record.key, record.timestamp)
                if isinstance(verdict, Rejection):
                    self.rejections.append(rejection_line(record, self.topic, *verdict))
                else:
                    extra = NULL if verdict.extra is None else verdict.extra.translate(ESCAPES)
                    self.readings.append(
                        f"{verdict.timestamp.isoformat()}\t{copy_text(verdict.sensor_id)}\t"
                        f"{verdict.temperature}\t{verdict.humidity}\t{verdict.pressure}\t"
                        f"{copy_text(verdict.location)}\t{extra}\t"
                        f"{record.partition}\t{record.offset}\n"
                    )
        return self

    def refused(self, reasons: dict[Origin, str]) -> list[str]:
        """Lines for sensor_readings_invalid, of valid readings that the database refused."""
        return [
            rejection_line(record, self.topic, sensor_of(record), [reasons[origin]])
            for part in self.records.values()
            for record in part
            if (origin := (record.partition, record.offset)) in reasons
        ]


def sensor_of(record: ConsumerRecord) -> str | None:
    """The sensor_id of a record."""
    return judge(record.value, record.key, record.timestamp).sensor_id


def rejection_line(
    record: ConsumerRecord, topic: Topic, sensor_id: str | None, issues: list[str]
) -> str:
    """A line for sensor_readings_invalid; the raw bytes are in it as they came."""
    columns = [
        kafka_time(record.timestamp),
        copy_text(sensor_id),
        ", ".join(issues),
        copy_bytes(record.value),
        copy_bytes(record.key),
        topic.name,
        topic.id,
        str(record.partition),
        str(record.offset),
        str(RULE_VERSION),
    ]
    return "\t".join(columns) + "\n"


@lru_cache(maxsize=10_000)  # the same sensors and places come again and again
def copy_text(text: str | None) -> str:
    """A string as PostgreSQL's COPY text format wants it."""
    return NULL if text is None else text.translate(ESCAPES)


def copy_bytes(value: bytes | None) -> str:
    """Bytes for a bytea column in COPY's text format."""
    return NULL if value is None else f"\\\\x{value.hex()}"


def kafka_time(kafka_ms: int) -> str:
    """A record's Kafka timestamp; 1970 where a producer set one that makes no sense."""
    if not EARLY_MS <= kafka_ms < YEAR_2200_MS:
        kafka_ms = 0
    return datetime.fromtimestamp(kafka_ms / 1000, timezone.utc).isoformat()

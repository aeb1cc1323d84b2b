"""One polled batch, judged: rows for COPY, and how far each partition has been read.

Pure functions: nothing here talks to Kafka or to the database.
"""

from dataclasses import dataclass, field

from kafka.consumer.fetcher import ConsumerRecord

from streaming_pipeline.kafka_topic import Topic
from streaming_pipeline.rows import Origin, key_columns, reading_row, rejection_row, topic_columns
from streaming_pipeline.rules import Rejection, judge


@dataclass
class Batch:
    """Judged records of one topic, by partition, in the order of their offsets."""

    topic: Topic
    records: dict[int, list[ConsumerRecord]]
    expected: dict[int, int]  # the next offset that the database must still have
    after: dict[int, int]  # the next offset once the batch is stored
    readings: dict[bytes, bytes] = field(default_factory=dict)  # first of each key
    repeated: list[tuple[bytes, bytes]] = field(default_factory=list)  # first of a key, another
    rejections: list[bytes] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many records it holds."""
        return sum(map(len, self.records.values()))

    def judge(self) -> "Batch":
        """Judge every record; returns itself."""
        topic = topic_columns(self.topic)
        for partition, part in self.records.items():
            for record in part:
                verdict = judge(record.value, record.key, record.timestamp)
                if isinstance(verdict, Rejection):
                    self.rejections.append(rejection_row(record, topic, *verdict))
                    continue
                key = key_columns(verdict)
                row = reading_row(key, verdict, topic, (partition, record.offset))
                first = self.readings.setdefault(key, row)
                if first is not row:
                    self.repeated.append((first, row))
        return self

    def all_readings(self) -> list[bytes]:
        """Rows of all readings, in no order."""
        return [*self.readings.values(), *(row for _, row in self.repeated)]

    def refused(self, reasons: dict[Origin, str]) -> list[bytes]:
        """Rows for sensor_readings_invalid, of valid readings that the database refused."""
        topic = topic_columns(self.topic)
        return [
            rejection_row(record, topic, sensor_of(record), [reasons[origin]])
            for part in self.records.values()
            for record in part
            if (origin := (record.partition, record.offset)) in reasons
        ]


def sensor_of(record: ConsumerRecord) -> str | None:
    """The sensor_id of a record."""
    return judge(record.value, record.key, record.timestamp).sensor_id

"""One micro-batch, validated: readings, rejections, and the next offset of each partition.

Pure: nothing here talks to Kafka or to the database.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from streaming_pipeline.kafka_topic import Topic
from streaming_pipeline.quick_path import validate
from streaming_pipeline.record import Record
from streaming_pipeline.rows import Invalid, Valid
from streaming_pipeline.rules import EPOCH, Reading, Rejection

#: The time of the newest reading so far, by partition and sensor.
Newest = dict[int, dict[str, datetime]]
MOST_SENSORS = 100_000  # that are remembered


@dataclass
class Batch:
    """Records of one topic, by partition, in the order of their offsets."""

    topic: Topic
    records: dict[int, list[Record]]
    expected: dict[int, int]  # the next offset that the database must still have
    after: dict[int, int]  # the next offset once the batch is stored
    #: when it arrived, since 1970 UTC
    received_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    fresh: list[Valid] = field(default_factory=list)  # newer than all earlier ones of their sensor
    suspects: list[Valid] = field(default_factory=list)  # the others, which may be stored already
    rejections: list[Invalid] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many records it holds."""
        return sum(map(len, self.records.values()))

    def validate(self, newest: Newest) -> "Batch":
        """Validate every record, and update `newest`; returns itself.

        Sensors send in order of time, so a reading newer than all earlier ones is no duplicate.
        This is a heuristic, and saves most readings the lookup whether they are stored already.
        """
        received_ms = self.received_ms
        if sum(map(len, newest.values())) > MOST_SENSORS:
            newest.clear()
        for partition, part in self.records.items():
            of_sensors = newest.setdefault(partition, {})
            for record in part:
                # verdict_on(), inlined: one more call per record takes 2 % of the time.
                if record.fault:
                    verdict: Reading | Rejection = Rejection(None, [record.fault])
                else:
                    verdict = validate(record.value, record.key, record.kafka_ms, received_ms)
                if isinstance(verdict, Rejection):
                    self.rejections.append((record, verdict, received_ms))
                    continue
                sensor_id, timestamp = verdict.sensor_id, verdict.timestamp
                if timestamp > of_sensors.get(sensor_id, EPOCH):
                    of_sensors[sensor_id] = timestamp
                    self.fresh.append((record, verdict))
                else:
                    self.suspects.append((record, verdict))
        return self

    def halves(self) -> Iterator["Batch"]:
        """Two validated batches, each with half of the records and in the order of the offsets."""
        left = self.size // 2
        first: dict[int, list[Record]] = {}
        second: dict[int, list[Record]] = {}
        for partition, part in self.records.items():
            if part[:left] or not part:
                first[partition] = part[:left]
            if part[left:]:
                second[partition] = part[left:]
            left -= len(part[:left])
        cut = {p: first[p][-1].offset + 1 for p in first.keys() & second.keys()}
        for records in (first, second):
            expected = {p: self.expected[p] for p in records}
            after = {p: self.after[p] for p in records}
            if records is first:
                after |= cut
            else:
                expected |= cut
            yield Batch(self.topic, records, expected, after, self.received_ms).validate({})


def verdict_on(record: Record, received_ms: int) -> Reading | Rejection:
    """The rules' verdict on a record, unless the reader already found that it cannot be read."""
    if record.fault:
        return Rejection(None, [record.fault])
    return validate(record.value, record.key, record.kafka_ms, received_ms)

"""What a batch costs that holds readings which are stored already, against one that holds none."""

import json
import random
import statistics
import time
import uuid
from collections.abc import Iterable
from contextlib import closing
from datetime import datetime, timedelta, timezone

import psycopg2

from streaming_pipeline import offsets
from streaming_pipeline.kafka_topic import Topic
from streaming_pipeline.record import Record
from streaming_pipeline.record_batch import Batch, Newest
from streaming_pipeline.writer import write_whole
from tests.benchmarks.stream.lab import Place

RECORDS = 10_000  # in a batch
ROUNDS = 15
NONE = "none repeated"
#: Of each kind of batch, how many records are repeated.
KINDS = {
    NONE: 0,
    "1 % repeated": RECORDS // 100,
    "10 % repeated": RECORDS // 10,
    "all repeated": RECORDS,
}
RESTARTED = "1 % repeated, the first after a restart"


def measure_repeated(place: Place) -> dict[str, float]:
    """The median seconds to write a batch of each kind, divided by those of one without."""
    rng = random.Random(1)
    topic = Topic("repeated", str(uuid.uuid4()))
    newest: Newest = {}
    begin = datetime.now(timezone.utc) - timedelta(minutes=5)
    seconds: dict[str, list[float]] = {kind: [] for kind in [*KINDS, RESTARTED]}
    sent = first = 0  # different readings, records
    with closing(psycopg2.connect(**place.login)) as connection:
        offsets.enter(connection, topic, {0: 0})
        for turn in range(ROUNDS + 1):
            for kind, times in seconds.items():
                if kind == RESTARTED:
                    newest.clear()
                repeated = KINDS.get(kind, KINDS["1 % repeated"]) if turn else 0
                old = sorted(rng.sample(range(sent), repeated))
                new = range(sent, sent + RECORDS - repeated)
                batch = batch_of(topic, first, begin, [*old, *new]).validate(newest)
                start = time.perf_counter()
                counts = write_whole(connection, batch)
                if turn:
                    times.append(time.perf_counter() - start)
                assert counts.duplicates.get(0, 0) == repeated
                sent, first = sent + len(new), first + RECORDS
    usual = statistics.median(seconds.pop(NONE))
    return {kind: statistics.median(times) / usual for kind, times in seconds.items()}


def batch_of(topic: Topic, first: int, begin: datetime, numbers: Iterable[int]) -> Batch:
    """Readings by their numbers, as records from an offset on."""
    kafka_ms = int(begin.timestamp() * 1000)
    records = [
        Record(0, first + place, kafka_ms, False, None, reading(begin, number))
        for place, number in enumerate(numbers)
    ]
    return Batch(topic, {0: records}, {0: first}, {0: first + len(records)})


def reading(begin: datetime, number: int) -> bytes:
    """A valid reading of one of sixty sensors, ten thousand of them a second."""
    values = {
        "sensor_id": f"sensor_{number % 60}",
        "timestamp": (begin + timedelta(microseconds=100 * number)).isoformat(),
        "temperature": 20.5,
        "humidity": 50.0,
        "pressure": 1013.0,
        "location": "warehouse",
    }
    return json.dumps(values).encode()

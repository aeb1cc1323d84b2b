"""Seeded random record batches: every codec, header, kind of timestamp, transaction, key and size.

The expected verdict of a record is not known here, only that each committed record is stored once,
with its offset, in one of the three tables, and in quarantine byte for byte.
"""

import contextlib
import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Any

import psycopg2
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from pipeline_common.settings import SENSOR_TOPIC_PARTITIONS
from tests.faults.stream_ledger import Ledger
from tests.faults.stream_records import BROKEN, Sent
from tests.faults.stream_run import Origin, Run

CODECS = [None, "gzip", "snappy", "lz4", "zstd"]
ROUNDS = 5  # producers, one after another, each with a codec and with transactions or without
BURSTS = 6  # of each
LARGE = 1_500_000  # bytes; only compressed does Kafka take it, and the reader does not
YEAR_MS = 365 * 86_400_000

WHERE_RECORDS_ARE = """
SELECT 'valid', partition, "offset", NULL, false FROM sensor_readings WHERE topic = %(topic)s
UNION ALL
SELECT 'invalid', partition, "offset", raw, NOT issues && '{too_large,unreadable_batch}'
FROM sensor_readings_invalid WHERE topic = %(topic)s
UNION ALL
SELECT 'duplicate', partition, "offset", NULL, false
FROM stream_duplicates WHERE topic = %(topic)s"""


class RawName(str):
    """A header's name that is sent as bytes that are no UTF-8."""

    def encode(self, *_: object) -> bytes:
        return b"\xff\xfe" + super().encode()


def fuzz(run: Run) -> None:
    """Send random batches while validators are killed at random moments."""
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send_all, run)
        while run.faults < 3 or not sending.done():
            validator = run.start()
            run.pause(1, 5)
            run.kill(validator)
        sending.result()
    wait_for_marks(run)


def wait_for_marks(run: Run) -> None:
    """Return when every transaction has its mark: the broker writes them after the commit."""
    parts = [TopicPartition(run.topic, number) for number in range(SENSOR_TOPIC_PARTITIONS)]
    deadline = time.monotonic() + 120
    levels = ("read_committed", "read_uncommitted")
    with contextlib.ExitStack() as stack:
        committed, all_there = [
            stack.enter_context(
                closing(KafkaConsumer(bootstrap_servers=run.lab.kafka, isolation_level=level))
            )
            for level in levels
        ]
        while committed.end_offsets(parts) != all_there.end_offsets(parts):
            assert time.monotonic() < deadline, f"{run.topic}: a transaction stays open"
            time.sleep(0.2)


def send_all(run: Run) -> None:
    """All rounds of a run; what was committed is in run.acknowledged afterwards."""
    random = Random(f"fuzz {run.seed}")
    for number in range(ROUNDS):
        settings: dict[str, Any] = {"compression_type": random.choice(CODECS), "linger_ms": 5}
        settings["batch_size"] = random.choice([1000, 16_384, 500_000])
        if random.random() < 0.5:
            settings["transactional_id"] = f"{run.topic}-{number}"
        try:
            send_round(run, random, settings)
        except KafkaError:  # the client cannot abort a transaction of which a record was refused:
            with new_producer(run, settings) as producer:
                producer.init_transactions()  # ends what was left open


def new_producer(run: Run, settings: dict[str, Any]) -> "closing[KafkaProducer]":
    bootstrap = run.lab.kafka
    return closing(
        KafkaProducer(bootstrap_servers=bootstrap, max_request_size=4 * LARGE, **settings)
    )


def send_round(run: Run, random: Random, settings: dict[str, Any]) -> None:
    """Some bursts over one producer."""
    transactional = "transactional_id" in settings
    with new_producer(run, settings) as producer:
        if transactional:
            producer.init_transactions()
        for _ in range(BURSTS):
            send_burst(run, producer, random, transactional)


def send_burst(run: Run, producer: KafkaProducer, random: Random, transactional: bool) -> None:
    """Some records, in one transaction if at all; Kafka refuses some of them."""
    if transactional:
        producer.begin_transaction()
    sent = [record_of(run.topic, random) for _ in range(random.choice([1, 5, 60]))]
    futures = [(one, send(run, producer, random, one)) for one in sent]
    producer.flush()
    refused = any(future.exception for _, future in futures)
    commits = not transactional or (random.random() < 0.6 and not refused)
    if transactional:
        try:
            (producer.commit_transaction if commits else producer.abort_transaction)()
        except KafkaError as error:
            run.failed_sends += [error] * len(sent)
            raise
    for one, future in futures:
        if commits and future.exception is not None and len(one.value or b"") < LARGE // 3:
            run.failed_sends.append(future.exception)  # its batch was too large, or the answer late
        if commits and future.exception is None:
            where = future.value
            run.acknowledged[where.partition, where.offset] = one


def send(run: Run, producer: KafkaProducer, random: Random, record: Sent) -> Any:
    """Send one record with a random partition, timestamp and headers."""
    names = ["name", "", RawName("x"), "ü" * 100]
    headers = [
        (random.choice(names), random.choice([b"", random.randbytes(50)]))
        for _ in range(random.choice([0, 0, 1, 8]))
    ]
    now = time.time_ns() // 1_000_000
    timestamp = random.choice([None] * 9 + [0, 1, now - random.randrange(9 * YEAR_MS)])
    try:
        return producer.send(
            run.topic,
            key=record.key or (b"tombstone" if record.value is None else None),
            value=record.value,
            headers=headers,
            partition=random.randrange(SENSOR_TOPIC_PARTITIONS),
            timestamp_ms=timestamp,
        )
    except KafkaError as error:  # too large even for this producer
        return Refused(error)


class Refused:
    """In place of a future, for a record that was not sent."""

    def __init__(self, exception: BaseException) -> None:
        self.exception = exception
        self.value = None


def record_of(topic: str, random: Random) -> Sent:
    """A reading, good, broken, or once more; or any bytes."""
    start = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(minutes=15)
    reading = {
        "sensor_id": f"{topic}-{random.randrange(4)}",
        "timestamp": (start + timedelta(seconds=random.randrange(600))).isoformat(),
        "temperature": round(random.uniform(-45, 90), random.choice([0, 2, 17])),
        "humidity": random.randint(-2, 102),
        "pressure": random.uniform(890, 1110),
        "location": random.choice(["here", None, "\x00", "ü" * 300]),
        "extra": random.choice([None, [1, [2]], {"a": 1e300}, "🌡"]),
    }
    dice = random.random()
    if dice < 0.5:
        value: bytes | None = json.dumps(reading).encode()
    elif dice < 0.7:
        value = random.choice(BROKEN)(reading)
    elif dice < 0.99:
        value = random.randbytes(random.choice([0, 1, 10, 5000]))
    else:
        value = random.randbytes(1000) + bytes(random.choice([LARGE, LARGE // 3]))
    key = random.choice([None, b"", b"\xff", topic.encode(), random.randbytes(1000)])
    return Sent("any", key or b"", value)


def check_origins(run: Run) -> Ledger:
    """Every committed record is in exactly one table; nothing else is.

    But a record without an acknowledgement may be in the topic anyway, and so in a table, once.
    """
    with closing(psycopg2.connect(**run.database)) as connection, connection.cursor() as cursor:
        cursor.execute(WHERE_RECORDS_ARE, {"topic": run.topic})
        rows = cursor.fetchall()
        counts = "SELECT coalesce(sum(records), 0)::bigint FROM stream_offsets WHERE topic = %s"
        cursor.execute(counts, (run.topic,))
        (records,) = cursor.fetchone() or (0,)
    found: Counter[Origin] = Counter((partition, offset) for _, partition, offset, *_ in rows)
    wanted = run.acknowledged.keys()
    wrong = sum(
        (None if raw is None else bytes(raw)) != run.acknowledged[partition, offset].value
        for _, partition, offset, raw, is_value in rows
        if is_value and (partition, offset) in wanted
    )
    unasked = max(0, len(found.keys() - wanted) - len(run.failed_sends))
    doubled = found.total() - len(found) + unasked
    kinds = Counter(row[0] for row in rows)
    return Ledger(
        len(wanted),
        kinds["valid"],
        kinds["invalid"],
        kinds["duplicate"],
        lost=len(wanted - found.keys()),
        doubled=doubled,
        wrong=wrong + (records != len(found)),
    )

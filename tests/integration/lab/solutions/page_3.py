"""Solutions of the exercises of course page 3; each begins with a topic of its own."""

import json
import threading
import time
from collections import Counter
from contextlib import closing, suppress
from datetime import datetime, timedelta, timezone
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import CoordinatorNotAvailableError

from lab.exercises.page_3_graders import partitions_of
from pipeline_common.settings import SENSOR_TOPIC_PARTITIONS
from tests.integration.lab.solutions.learner import Learner, Solution, Solutions

HOUR = "3600000"
JOIN_SECONDS = 20
SENSOR_PARTITIONS = (
    "SELECT DISTINCT sensor_id, partition FROM sensor_readings WHERE topic IS NOT NULL"
)
RECORDS = """SELECT partition, count(*) AS records
             FROM (SELECT partition, topic FROM sensor_readings
                   UNION ALL SELECT partition, topic FROM sensor_readings_invalid
                   UNION ALL SELECT partition, topic FROM stream_duplicates) AS stored
             WHERE topic IS NOT NULL GROUP BY partition"""
PER_MINUTE = """CREATE VIEW lab.per_minute AS
                SELECT date_trunc('minute', time) AS minute, count(*) AS readings
                FROM sensor_readings WHERE topic IS NOT NULL GROUP BY 1"""
COUNTED = "CREATE TABLE lab.counted (partition integer, records bigint)"


def make_topic(learner: Learner) -> None:
    """An empty topic like the stack's own."""
    learner.make_topic(learner.lab.topic, SENSOR_TOPIC_PARTITIONS)


def reading(sensor: str, number: int = 0, **fields: object) -> bytes:
    """A valid reading, but for `fields`."""
    at = datetime.now(timezone.utc) - timedelta(minutes=1) + timedelta(milliseconds=number)
    values = {"temperature": 20, "humidity": 50, "pressure": 1013}
    return json.dumps({"sensor_id": sensor, "timestamp": at.isoformat()} | values | fields).encode()


def send_some(learner: Learner) -> None:
    """Valid, invalid and duplicate records in two partitions."""
    for partition in (0, 2):
        sensor = f"sensor_{partition}"
        good = [reading(sensor, number) for number in range(5)]
        learner.send(*good, good[0], b"{}", key=sensor.encode(), partition=partition)


# --- Views ----------------------------------------------------------------------------------------


def validate_and(*statements: str) -> Solution:
    """Send some records, let a validator read them, run statements."""

    def act(learner: Learner) -> None:
        send_some(learner)
        learner.validate()
        learner.sql("timeseries_db", *statements)

    return act


def stored_and(statement: str) -> Solution:
    """Readings of two sensors, as a validator stores them, and a statement."""

    def act(learner: Learner) -> None:
        readings = """INSERT INTO sensor_readings
            (time, sensor_id, temperature, humidity, pressure, topic, partition, "offset")
            SELECT now() - INTERVAL '1 s' * n, 'sensor_' || n % 2, 20, 50, 1013, '{0}', n % 2, n
            FROM generate_series(0, 9) AS n"""
        learner.sql("timeseries_db", readings.format(learner.lab.topic), statement)

    return act


def one_is_unread(learner: Learner) -> None:
    """The view is right, but a record has come since."""
    validate_and(f"CREATE VIEW lab.records AS {RECORDS}")(learner)
    send_some(learner)


def rates(first: int, second: int, view: str, seconds: int = 60) -> Solution:
    """Readings of two whole minutes, at so many a second, as a validator stores them."""

    def act(learner: Learner) -> None:
        readings = """INSERT INTO sensor_readings
            (time, sensor_id, temperature, humidity, pressure, topic, partition, "offset")
            SELECT date_trunc('minute', now()) - INTERVAL '{0} minutes' + n * INTERVAL '1 s' / {1},
                   'sensor_1', 20, 50, 1013, '{2}', 0, n
            FROM generate_series(0, {1} * {3} - 1) AS n"""
        learner.sql(
            "timeseries_db",
            readings.format(3, first, learner.lab.topic, 60),
            readings.format(2, second, learner.lab.topic, seconds),
            view,
        )

    return act


# --- Groups ---------------------------------------------------------------------------------------


def members(count: int, *partitions: int) -> Solution:
    """Fill partitions, and let consumers of the validator's group read until the test ends."""

    def act(learner: Learner) -> None:
        for partition in partitions:
            learner.send(reading(f"sensor_{partition}"), partition=partition)
        stop = threading.Event()
        threads = [threading.Thread(target=consume, args=(learner, stop)) for _ in range(count)]
        for thread in threads:
            thread.start()
            learner.at_the_end.callback(thread.join)
        learner.at_the_end.callback(stop.set)
        wait_for_members(learner, count)

    return act


def consume(learner: Learner, stop: threading.Event) -> None:
    """A member of the group, until it is told to leave.

    kafka-python forgets a join that takes longer than a poll (tests/faults/test_stream_join.py): a
    consumer that has no partition by then starts again.
    """
    while not stop.is_set():
        with closing(
            KafkaConsumer(
                learner.lab.topic, bootstrap_servers=learner.bootstrap, group_id=learner.lab.group
            )
        ) as consumer:
            begin = time.monotonic()
            while not stop.is_set() and (
                consumer.assignment() or time.monotonic() - begin < JOIN_SECONDS
            ):
                consumer.poll(100)


def wait_for_members(learner: Learner, count: int) -> None:
    """Until there are so many members, and each partition has one of them."""
    group = learner.lab.group
    deadline = time.monotonic() + 120
    with closing(KafkaAdminClient(bootstrap_servers=learner.bootstrap)) as admin:
        while True:
            members = []
            with suppress(CoordinatorNotAvailableError):  # before the broker's first group
                members = admin.describe_groups([group])[group]["members"]
            parts = [part for member in members for part in partitions_of(member)]
            if len(members) == count and len(parts) == SENSOR_TOPIC_PARTITIONS:
                return
            assert time.monotonic() < deadline, members
            time.sleep(0.1)


def count_records(*, begin: str = "earliest", commit: bool = True, count: bool = True) -> Solution:
    """A consumer of the learner's own, with its faults."""

    def act(learner: Learner) -> None:
        send_some(learner)
        found: Counter[int] = Counter()
        with closing(
            KafkaConsumer(
                learner.lab.topic,
                bootstrap_servers=learner.bootstrap,
                group_id="lab_counter",
                auto_offset_reset=begin,
                enable_auto_commit=False,
            )
        ) as consumer:
            parts = [TopicPartition(learner.lab.topic, number) for number in (0, 2)]
            deadline = time.monotonic() + 120
            while not read_to_the_end(consumer, parts):
                assert time.monotonic() < deadline
                for records in consumer.poll(200).values():
                    found.update(record.partition for record in records)
            if commit:
                consumer.commit()
        rows = [f"INSERT INTO lab.counted VALUES ({p}, {n})" for p, n in found.items() if count]
        learner.sql("timeseries_db", COUNTED, *rows)
        learner.forget_group("lab_counter")

    return act


def read_to_the_end(consumer: KafkaConsumer, parts: list[TopicPartition]) -> bool:
    """Whether the consumer has the partitions and stands at their ends."""
    ends = consumer.end_offsets(parts)
    return set(parts) <= consumer.assignment() and all(
        consumer.position(part) == ends[part] for part in parts
    )


# --- Records that are sent by hand ----------------------------------------------------------------


def send_and_validate(*values: bytes, key: bytes, wait_ms: int = 0, read: bool = True) -> Solution:
    """Send values that have waited for so long, and let a validator read them."""

    def act(learner: Learner) -> None:
        sent_at = int(time.time() * 1000) - wait_ms
        learner.send(*values, key=key, timestamp_ms=sent_at)
        if read:
            learner.validate()

    return act


def enter_by_hand(learner: Learner) -> None:
    """A row in quarantine of a record that was never sent."""
    send_and_validate(b"{}", key=b"lab")(learner)
    learner.sql(
        "timeseries_db",
        """INSERT INTO sensor_readings_invalid
               (time, issues, raw, key, topic, partition, "offset", rule_version)
           SELECT now(), '{not_json}', 'no JSON', key, topic, partition, "offset" + 1, rule_version
           FROM sensor_readings_invalid""",
    )


def twice(*changes: tuple[int, dict[str, Any]]) -> Solution:
    """Readings of one sensor, so many seconds old when the test runs."""

    def act(learner: Learner) -> None:
        now = datetime.now(timezone.utc)
        values = [
            reading("lab_twice", timestamp=(now - timedelta(seconds=age)).isoformat(), **change)
            for age, change in changes
        ]
        send_and_validate(*values, key=b"lab_twice")(learner)

    return act


def and_then(first: Solution, second: Solution) -> Solution:
    """One after the other."""

    def act(learner: Learner) -> None:
        first(learner)
        second(learner)

    return act


def lose_one(learner: Learner) -> None:
    """A row is deleted: the ledger does not balance any more."""
    learner.sql(
        "timeseries_db",
        """DELETE FROM sensor_readings_invalid
           WHERE "offset" = (SELECT min("offset") FROM sensor_readings_invalid)""",
    )


# The time of sending is ahead, so that nothing seems to have waited for a slow machine.
NOT_WAITED = send_and_validate(*[b"{}"] * 10, key=b"lab", wait_ms=-3_600_000)
WAITED = send_and_validate(*[b"{}"] * 10, key=b"lab", wait_ms=60_000)


def topic(partitions: int, **settings: str) -> Solution:
    """Make the topic of the exercise."""
    return lambda learner: learner.make_topic("lab_hour", partitions, **settings)


SOLUTIONS = {
    "partitions": Solutions(
        stored_and(f"CREATE VIEW lab.sensor_partitions AS {SENSOR_PARTITIONS}"),
        {
            "a copy": (
                stored_and(f"CREATE TABLE lab.sensor_partitions AS {SENSOR_PARTITIONS}"),
                "does not follow",
            ),
            "with the samples": (
                stored_and(
                    """CREATE VIEW lab.sensor_partitions AS
                   SELECT DISTINCT sensor_id, partition FROM sensor_readings"""
                ),
                "are not what the database holds",
            ),
            "nothing sent": (
                lambda learner: learner.sql(
                    "timeseries_db", f"CREATE VIEW lab.sensor_partitions AS {SENSOR_PARTITIONS}"
                ),
                "No reading has come",
            ),
        },
        start=make_topic,
    ),
    "records": Solutions(
        validate_and(f"CREATE VIEW lab.records AS {RECORDS}"),
        {
            "valid ones only": (
                validate_and(
                    """CREATE VIEW lab.records AS SELECT partition, count(*) AS records
                   FROM sensor_readings WHERE topic IS NOT NULL GROUP BY partition"""
                ),
                "are not what the database holds",
            ),
            "a copy": (validate_and(f"CREATE TABLE lab.records AS {RECORDS}"), "does not follow"),
            "nothing sent": (
                lambda learner: learner.sql(
                    "timeseries_db", f"CREATE VIEW lab.records AS {RECORDS}"
                ),
                "is empty",
            ),
            "one is unread": (one_is_unread, "does not hold every record"),
        },
        start=make_topic,
    ),
    "members": Solutions(
        members(2, *range(6)),
        {
            "one member": (members(1, *range(6)), "has 1 member now"),
            "two partitions": (members(2, 0, 2), "in their partitions: 1"),
        },
        start=make_topic,
    ),
    "poison": Solutions(
        send_and_validate(b"no JSON", key=b"lab"),
        {
            "JSON": (send_and_validate(b"{}", key=b"lab"), "No record with the key lab"),
            "entered by hand": (enter_by_hand, "it was not sent"),
            "not validated": (
                send_and_validate(b"no JSON", key=b"lab", read=False),
                "No record with the key lab",
            ),
        },
        start=make_topic,
    ),
    "duplicate": Solutions(
        twice((0, {}), (0, {})),
        {
            "once": (twice((0, {})), "No duplicate"),
            "another value": (twice((0, {}), (0, {"temperature": 21})), "No duplicate"),
            "another time": (twice((0, {}), (1, {}), (1, {})), "lab_twice has 2 readings"),
        },
        start=make_topic,
    ),
    "catch_up": Solutions(
        WAITED,
        {
            "did not wait": (NOT_WAITED, "or more: 0."),
            "some are unread": (and_then(WAITED, send_some), "14 records behind"),
            "one is lost": (and_then(WAITED, lose_one), "stored: 9"),
        },
        start=make_topic,
    ),
    "topic": Solutions(
        topic(12, retention_ms=HOUR),
        {
            "a day": (topic(12, retention_ms="86400000"), "keeps its records for"),
            "retention by default": (topic(12), "keeps its records for"),
            "six partitions": (topic(6, retention_ms=HOUR), "has 6 partitions"),
        },
    ),
    "own_group": Solutions(
        count_records(),
        {
            "only what comes": (count_records(begin="latest"), "does not hold the number"),
            "not committed": (count_records(commit=False), "has not committed"),
            "not counted": (count_records(count=False), "does not hold the number"),
        },
        start=make_topic,
    ),
    "faster_stream": Solutions(
        rates(2, 3, PER_MINUTE),
        {
            "as before": (rates(3, 3, PER_MINUTE), "none has 1.5 times"),
            "few readings": (rates(1, 2, PER_MINUTE), "none has 1.5 times"),
            "half a minute": (rates(2, 6, PER_MINUTE, seconds=30), "none has 1.5 times"),
            "with the samples": (
                rates(2, 3, PER_MINUTE.replace("WHERE topic IS NOT NULL", "")),
                "are not what the database holds",
            ),
        },
        start=make_topic,
    ),
}

"""stream_validator.py as a process: stopped, restarted, shared, and cut off from its servers."""

import json
import re
import signal
import time
from contextlib import closing
from datetime import datetime, timedelta, timezone
from itertools import islice
from subprocess import Popen
from typing import Any

import psycopg2
import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from typer.testing import CliRunner

from streaming_pipeline.kafka_topic import make_topic
from streaming_pipeline.reader import SILENCE_SECONDS
from streaming_pipeline.stream_validator import app
from tests.databases import as_admin
from tests.integration.streaming.conftest import Pipeline, ended

START = datetime(2000, 1, 1, tzinfo=timezone.utc)  # each test sets it


@pytest.fixture(autouse=True)
def start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set START for each test: half an hour after it, in a long run, readings are late."""
    begin = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(minutes=5)
    monkeypatch.setattr(f"{__name__}.START", begin)


def reading(number: int, **fields: Any) -> bytes:
    """A valid reading, one for each number, with some fields changed."""
    sensor = f"read_{number % 3}"
    values = {
        "sensor_id": sensor,
        "timestamp": (START + timedelta(milliseconds=number)).isoformat(),
        "temperature": 20.5,
        "humidity": 50,
        "pressure": 1013,
        "location": "x",
    }
    return json.dumps(values | fields).encode()


def read_by(process: "Popen[str]") -> int:
    """How many records a validator says it has read, once it has ended well."""
    out, _ = ended(process)
    [line] = re.findall(r"\| in +\| +(\d+) \|", out)
    return int(line)


def test_stopped_in_mid_stream_then_two_share_the_rest(pipeline: Pipeline) -> None:
    total = 40_000
    numbers = iter(range(total))

    def send(count: int) -> None:
        for number in islice(numbers, count):  # long ones, for more than a few batches
            pipeline.send(reading(number, note="x" * 500), partition=number % 6)

    read = 0
    for stop in (signal.SIGINT, signal.SIGTERM):
        send(10_000)
        validator = pipeline.start_validator()
        pipeline.wait_until_read(read + 1)
        validator.send_signal(stop)
        read += read_by(validator)
        assert pipeline.ledger() == (read, read, 0)
    send(20_000)
    pipeline.producer.flush()
    two = [pipeline.start_validator("--exit-when-idle", "1") for _ in range(2)]
    assert read + sum(map(read_by, two)) == total
    assert pipeline.ledger() == (total, total, 0)


def test_duplicates_conflicts_and_what_the_database_refuses(pipeline: Pipeline) -> None:
    pipeline.send(*[reading(number) for number in range(100)])
    pipeline.validate()

    pipeline.execute("ALTER TABLE sensor_readings ADD CHECK (temperature <> 66)")
    refused = [reading(200, temperature=66), reading(250, temperature=66)]
    conflict = reading(7, humidity=51)
    pipeline.send(*[reading(number) for number in range(50, 200)], partition=1)
    pipeline.send(refused[0], *[reading(number) for number in range(201, 250)], partition=1)
    pipeline.send(refused[1], conflict, conflict, partition=1)
    pipeline.validate()

    assert pipeline.ledger() == (100 + 150 + 50 + 3, 100 + 100 + 50 + 3, 50)
    quarantine = pipeline.rows(
        'SELECT issues, raw, sensor_id FROM sensor_readings_invalid ORDER BY "offset"'
    )
    assert quarantine == [
        (["rejected_by_database"], refused[0], "read_2"),
        (["rejected_by_database"], refused[1], "read_1"),
        (["conflict"], conflict, "read_1"),
        (["conflict"], conflict, "read_1"),
    ]
    where = pipeline.rows('SELECT "offset" FROM stream_duplicates WHERE topic = %s')
    assert sorted(where) == [(offset,) for offset in range(50)]


def test_the_first_reading_of_a_batch_counts(pipeline: Pipeline) -> None:
    first, again = reading(1), json.dumps(json.loads(reading(1)), indent=1).encode()
    other, positive, negative = reading(1, humidity=51), reading(2), reading(2, pressure=1013.0)
    noted, turned = reading(3, a=1, b=2), reading(3, b=2, a=1)
    zero, minus_zero = reading(4, temperature=0.0), reading(4, temperature=-0.0)
    pipeline.send(first, other, again, other, positive, negative, noted, turned, zero, minus_zero)
    pipeline.validate()

    assert pipeline.ledger() == (10, 4 + 2, 4)
    stored = pipeline.rows('SELECT "offset" FROM sensor_readings WHERE topic = %s ORDER BY 1')
    assert stored == [(0,), (4,), (6,), (8,)]
    conflicts = pipeline.rows('SELECT issues, "offset" FROM sensor_readings_invalid ORDER BY 2')
    assert conflicts == [(["conflict"], 1), (["conflict"], 3)]


def test_database_away_then_back_then_without_its_table(pipeline: Pipeline) -> None:
    name = pipeline.login["dbname"]
    validator = pipeline.start_validator()
    pipeline.send(*[reading(number) for number in range(100)])
    pipeline.wait_until_read(100)

    admin = Pipeline(
        pipeline.kafka,
        pipeline.topic,
        as_admin(pipeline.login) | {"dbname": "postgres"},
        pipeline.producer,
    )
    admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    admin.rows(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    pipeline.send(*[reading(number) for number in range(100, 200)])
    assert validator.stderr is not None
    while "does not answer: waiting for it" not in validator.stderr.readline():
        assert validator.poll() is None
    admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    pipeline.wait_until_read(200)
    assert pipeline.ledger() == (200, 200, 0)

    pipeline.execute("ALTER TABLE sensor_readings_invalid RENAME TO elsewhere")
    pipeline.send(b"no JSON", reading(201))
    _, err = ended(validator, 1)
    assert "sql/init_timescale.sql" in err.splitlines()[-1]
    pipeline.execute("ALTER TABLE elsewhere RENAME TO sensor_readings_invalid")
    pipeline.validate()
    assert pipeline.ledger() == (202, 202, 0)


def test_gaps_are_passed_but_loss_is_said(pipeline: Pipeline) -> None:
    producer = KafkaProducer(bootstrap_servers=pipeline.kafka, transactional_id=pipeline.topic)
    producer.init_transactions()
    for number in range(3):  # each transaction leaves a mark, which takes an offset
        producer.begin_transaction()
        producer.send(pipeline.topic, reading(number), partition=0)
        producer.commit_transaction()
    producer.close()
    pipeline.validate()
    assert pipeline.ledger() == (3, 3, 0)
    offsets = "SELECT next_offset FROM stream_offsets WHERE topic = %s AND partition = 0"
    assert pipeline.rows(offsets) == [(6,)]

    pipeline.send(*[reading(number) for number in range(3, 13)])
    pipeline.producer.flush()
    admin = KafkaAdminClient(bootstrap_servers=pipeline.kafka)
    admin.delete_records({TopicPartition(pipeline.topic, 0): 11})  # five of them are lost
    _, err = ended(pipeline.start_validator("--exit-when-idle", "0.5"), 1)
    assert "up to offset 6, but Kafka holds 11 to 16" in err
    assert pipeline.ledger() == (3, 3, 0)
    pipeline.validate("--accept-loss")
    assert pipeline.ledger() == (8, 8, 0)

    admin.delete_topics([pipeline.topic])
    while pipeline.topic in admin.list_topics():
        time.sleep(0.1)
    admin.close()
    make_topic(pipeline.kafka, pipeline.topic)
    pipeline.send(b"no JSON", *[reading(number) for number in range(10, 30)])
    pipeline.producer.flush()
    _, err = ended(pipeline.start_validator("--exit-when-idle", "0.5"), 1)
    assert "was deleted and recreated since" in err
    pipeline.validate("--accept-loss")
    assert pipeline.ledger() == (8 + 21, 8 + 1 + 17, 3)


def test_a_topic_recreated_while_the_database_is_waited_for_is_noticed(pipeline: Pipeline) -> None:
    """The next offset exists in the new topic too: only the topic id shows the difference."""
    validator = pipeline.start_validator()
    pipeline.send(pipeline.reading(0))
    pipeline.wait_until_read(1)
    with closing(psycopg2.connect(**as_admin(pipeline.login))) as holder, holder:
        holder.cursor().execute("LOCK TABLE stream_offsets IN ACCESS EXCLUSIVE MODE")
        pipeline.send(pipeline.reading(1))
        pipeline.producer.flush()
        time.sleep(1)  # so that it comes in a batch of its own
        pipeline.send(pipeline.reading(2))
        pipeline.producer.flush()
        time.sleep(SILENCE_SECONDS + 2)  # it does not poll, for it waits for the lock
        with closing(KafkaAdminClient(bootstrap_servers=pipeline.kafka)) as admin:
            admin.delete_topics([pipeline.topic])
            while pipeline.topic in admin.list_topics():
                time.sleep(0.1)
        make_topic(pipeline.kafka, pipeline.topic)
        pipeline.send(*[pipeline.reading(number) for number in range(10, 20)])
        pipeline.producer.flush()
    _, err = ended(validator, 1)
    assert "was deleted and recreated since" in err


def test_usage(pipeline: Pipeline) -> None:
    for arguments in (["--exit-when-idle", "0"], ["--replay-from", "2026-11-24"], ["--fast"]):
        assert CliRunner().invoke(app, arguments).exit_code == 2
    assert "--accept-loss" in CliRunner().invoke(app, ["--help"]).output
    _, err = ended(pipeline.start_validator("--topic", "a b"), 1)
    assert err.startswith("Kafka has no topic 'a b'")

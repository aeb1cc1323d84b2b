"""The streaming scripts as processes, on a topic and a database of their own."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from threading import Event
from typing import Any

import psycopg2
import pytest
from kafka import KafkaProducer
from psycopg2.extras import RealDictCursor

from pipeline_common.settings import PROJECT_FOLDER
from pipeline_common.sql_files import read_sql
from streaming_pipeline import offsets
from streaming_pipeline.database import Database
from streaming_pipeline.kafka_topic import Topic
from streaming_pipeline.record import Record
from streaming_pipeline.record_batch import Batch, Newest
from streaming_pipeline.writer import Writer
from tests.databases import as_admin

SECONDS = 240  # a deadline for what takes seconds on a quiet machine
LEDGER = """
SELECT coalesce(sum(records), 0)::bigint,
       (SELECT count(*) FROM sensor_readings WHERE topic = %(topic)s)
     + (SELECT count(*) FROM sensor_readings_invalid WHERE topic = %(topic)s),
       (SELECT count(*) FROM stream_duplicates WHERE topic = %(topic)s)
FROM stream_offsets WHERE topic = %(topic)s
HAVING coalesce(sum(duplicates), 0)
     = (SELECT count(*) FROM stream_duplicates WHERE topic = %(topic)s)"""


def reading(begin: datetime, number: int, **fields: Any) -> bytes:
    """A valid reading `number` milliseconds after `begin`, with some fields changed."""
    values = {
        "sensor_id": f"read_{number % 3}",
        "timestamp": (begin + timedelta(milliseconds=number)).isoformat(),
        "temperature": 20.5,
        "humidity": 50,
        "pressure": 1013,
        "location": "x",
    }
    return json.dumps(values | fields).encode()


class Pipeline:
    """A topic, an empty database, and the processes started between them."""

    def __init__(
        self, kafka: str, topic: str, login: dict[str, Any], producer: KafkaProducer
    ) -> None:
        self.kafka = kafka
        self.topic = topic
        self.login = login
        self.producer = producer
        self.processes: list[subprocess.Popen[str]] = []
        self.environment = {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka,
            "TIMESCALE_HOST": "127.0.0.1",
            "TIMESCALE_PORT": str(self.login["port"]),
            "TIMESCALE_DATABASE": self.login["dbname"],
            "PYTHONPATH": str(PROJECT_FOLDER),
            "PYTHONUNBUFFERED": "1",
            "PYTHONFAULTHANDLER": "1",
        }
        #: of reading 0; taken for each test, so that no slow suite makes its readings late
        self.begin = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(minutes=5)

    def reading(self, number: int, **fields: Any) -> bytes:
        """A valid reading, one for each number, with some fields changed."""
        return reading(self.begin, number, **fields)

    def start(
        self,
        script: str,
        *arguments: str,
        stdout: Any = subprocess.PIPE,
        **environment: Any,
    ) -> subprocess.Popen[str]:
        """Start a script of the streaming pipeline on the topic."""
        command = [sys.executable, script, "--topic", self.topic, *arguments]
        process = subprocess.Popen(
            command,
            cwd=PROJECT_FOLDER,
            env=os.environ | self.environment | environment,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process

    def start_validator(
        self, *arguments: str, stdout: Any = subprocess.PIPE, **environment: Any
    ) -> subprocess.Popen[str]:
        """Start a validator of the topic's own group."""
        script = "streaming_pipeline/stream_validator.py"
        return self.start(script, "--group", self.topic, *arguments, stdout=stdout, **environment)

    def validate(self, *arguments: str) -> str:
        """Flush, read the topic to its end; what the validator printed to stdout."""
        self.producer.flush()
        return ended(self.start_validator("--exit-when-idle", "0.5", *arguments))[0]

    def send(self, *values: bytes | None, key: bytes | None = None, partition: int = 0) -> None:
        """Send values to one partition, in order."""
        for value in values:
            self.producer.send(self.topic, value, key, partition=partition)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """A query's rows, with bytes as bytes; %s stands for the topic."""
        with closing(psycopg2.connect(**self.login)) as connection, connection.cursor() as cursor:
            cursor.execute(query, [self.topic] * query.count("%s"))
            return [
                tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)
                for row in (cursor.fetchall() if cursor.description else [])
            ]

    def execute(self, statement: str) -> None:
        """Change something in the database, as its superuser."""
        with closing(psycopg2.connect(**as_admin(self.login))) as connection, connection:
            connection.cursor().execute(statement)

    def execute_alone(self, statement: str) -> None:
        """Run what no transaction may hold, as the superuser."""
        with closing(psycopg2.connect(**as_admin(self.login))) as connection:
            connection.autocommit = True
            connection.cursor().execute(statement)

    def ledger(self) -> tuple[int, int, int]:
        """Records read, rows stored (valid and invalid), duplicates."""
        with closing(psycopg2.connect(**self.login)) as connection, connection.cursor() as cursor:
            cursor.execute(LEDGER, {"topic": self.topic})
            [(records, stored, duplicates)] = cursor.fetchall()
            return records, stored, duplicates

    def wait_until_read(self, records: int, seconds: float = SECONDS) -> None:
        """Return when the validators have stored that many records."""
        deadline = time.monotonic() + seconds
        query = "SELECT coalesce(sum(records), 0) FROM stream_offsets WHERE topic = %s"
        while self.rows(query) < [(records,)]:
            assert time.monotonic() < deadline, self.rows(query)
            assert all(process.poll() in (None, 0) for process in self.processes), [
                process.communicate() for process in self.processes if process.poll()
            ]
            time.sleep(0.02)

    def close(self) -> None:
        """End what a test has left running."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()


def ended(process: "subprocess.Popen[str]", code: int = 0) -> tuple[str, str]:
    """Wait for the end of a process: what it wrote to stdout and stderr."""
    try:
        out, err = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)  # faulthandler says where each thread stands
        out, err = process.communicate()
    assert process.returncode == code, err
    assert "Traceback" not in err
    return out, err


@pytest.fixture(scope="package")
def producer(kafka: str) -> Iterator[KafkaProducer]:
    """A producer for the tests' own records."""
    with closing(KafkaProducer(bootstrap_servers=kafka, linger_ms=2)) as producer:
        yield producer


@pytest.fixture
def pipeline(
    kafka: str, topic: str, timeseries_db: dict[str, Any], producer: KafkaProducer
) -> Iterator[Pipeline]:
    """A topic and an empty database, ready for validators."""
    pipeline = Pipeline(kafka, topic, timeseries_db, producer)
    yield pipeline
    pipeline.close()


class Table:
    """An empty database, and the writer that fills it from record objects: no Kafka is needed."""

    def __init__(self, login: dict[str, Any]) -> None:
        self.login = login
        self.topic = Topic("written", str(uuid.uuid4()))
        self.begin = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(minutes=5)
        self.next = dict.fromkeys(range(3), 0)
        self.newest: Newest = {}
        self.stopping = Event()
        self.totals = {"valid": 0, "invalid": 0, "duplicate": 0}
        self.writer = self.new_writer()
        with closing(psycopg2.connect(**login)) as connection:
            offsets.enter(connection, self.topic, dict.fromkeys(self.next, 0))

    def new_writer(self, time_limit: int = 60) -> Writer:
        """A writer whose statements may take so many seconds."""
        return Writer(Database(self.login, self.stopping, time_limit=time_limit), self.totals)

    def reading(self, number: int, **fields: Any) -> bytes:
        """A valid reading, one for each number, with some fields changed."""
        return reading(self.begin, number, **fields)

    def batch(
        self, *values: bytes | None, partition: int = 0, kafka_time: datetime | None = None
    ) -> Batch:
        """The next records of a partition."""
        first = self.next[partition]
        kafka_ms = int((kafka_time or self.begin).timestamp() * 1000)
        records = [
            Record(partition, first + number, kafka_ms, False, None, value)
            for number, value in enumerate(values)
        ]
        self.next[partition] += len(records)
        one = {partition: records}
        return Batch(self.topic, one, {partition: first}, {partition: self.next[partition]})

    def write(self, *values: bytes | None, partition: int = 0, **options: Any) -> None:
        """Write the next records of a partition in one batch."""
        batch = self.batch(*values, partition=partition, **options)
        self.writer.write(batch.validate(self.newest))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """A query's rows."""
        with closing(psycopg2.connect(**self.login)) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor)

    def execute(self, statement: str) -> None:
        """Change something in the database, as its superuser."""
        with closing(psycopg2.connect(**as_admin(self.login))) as connection, connection:
            connection.cursor().execute(statement)

    def ledger(self, *names: str) -> tuple[int, ...]:
        """Columns of the ledger's one line; nothing may be missing."""
        with closing(psycopg2.connect(**self.login)) as connection:
            cursor = connection.cursor(cursor_factory=RealDictCursor)
            cursor.execute(read_sql("queries/stream_ledger"))
            [line] = cursor.fetchall()
        assert line["missing"] == 0, line
        return tuple(line[name] for name in names)

    def quarantine(self) -> list[tuple[int, list[str]]]:
        """Offset and reasons of what is in quarantine."""
        return self.rows('SELECT "offset", issues FROM sensor_readings_invalid ORDER BY 1')


@pytest.fixture
def table(timeseries_db: dict[str, Any]) -> Iterator[Table]:
    """A writer on an empty database."""
    table = Table(timeseries_db)
    yield table
    table.stopping.set()
    table.writer.database.close()

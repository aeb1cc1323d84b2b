"""The streaming scripts as processes, on a topic and a database of their own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from kafka import KafkaProducer

from pipeline_settings import PROJECT_FOLDER

SECONDS = 60  # a deadline for what takes a second or two
LEDGER = """
SELECT coalesce(sum(records), 0)::bigint,
       (SELECT count(*) FROM sensor_readings WHERE topic = %(topic)s)
     + (SELECT count(*) FROM sensor_readings_invalid WHERE topic = %(topic)s),
       (SELECT count(*) FROM stream_duplicates WHERE topic = %(topic)s)
FROM stream_offsets WHERE topic = %(topic)s
HAVING coalesce(sum(duplicates), 0)
     = (SELECT count(*) FROM stream_duplicates WHERE topic = %(topic)s)"""


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

    def start(self, script: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start a script of the streaming pipeline on the topic."""
        command = [sys.executable, script, "--topic", self.topic, *arguments]
        process = subprocess.Popen(
            command,
            cwd=PROJECT_FOLDER,
            env=os.environ
            | {
                "KAFKA_BOOTSTRAP_SERVERS": self.kafka,
                "TIMESCALE_HOST": "127.0.0.1",
                "TIMESCALE_PORT": str(self.login["port"]),
                "TIMESCALE_DATABASE": self.login["dbname"],
                "PYTHONPATH": str(PROJECT_FOLDER),
                "PYTHONUNBUFFERED": "1",
                "PYTHONFAULTHANDLER": "1",
            }
            | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process

    def start_validator(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start a validator of the topic's own group."""
        script = "streaming_pipeline/stream_validator.py"
        return self.start(script, "--group", self.topic, *arguments, **environment)

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
        """Change something in the database."""
        with closing(psycopg2.connect(**self.login)) as connection, connection:
            connection.cursor().execute(statement)

    def execute_alone(self, statement: str) -> None:
        """Run what no transaction may hold."""
        with closing(psycopg2.connect(**self.login)) as connection:
            connection.autocommit = True
            connection.cursor().execute(statement)

    def ledger(self) -> tuple[int, int, int]:
        """Records read, rows stored (valid and invalid), duplicates."""
        with closing(psycopg2.connect(**self.login)) as connection, connection.cursor() as cursor:
            cursor.execute(LEDGER, {"topic": self.topic})
            [(records, stored, duplicates)] = cursor.fetchall()
            return records, stored, duplicates

    def wait_until_read(self, records: int) -> None:
        """Return when the validators have stored that many records."""
        deadline = time.monotonic() + SECONDS
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


@pytest.fixture(scope="session")
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

"""One consumer in one drill: what was sent, the processes that read, and what the tables hold."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import IO, Any, NamedTuple

import psycopg2
from kafka import KafkaAdminClient, KafkaProducer

from lab.ladder.reading import parse
from pipeline_common.settings import PROJECT_FOLDER
from tests.faults.tcp_proxy import LOCALHOST, TcpProxy

PARTITIONS = 3
SENSORS = 6
TABLES = (PROJECT_FOLDER / "sql/lab/arena.sql").read_text()
STILL_SECONDS = 4.0  # nothing may come after the last record: else it is doubled
SILENT_SECONDS = 20.0  # without the rest: the consumers are killed and started again, once
STUCK_SECONDS = 45.0  # without any new row, also after that: the rest never comes
Origin = tuple[int, int]  # partition, offset


class Verdict(NamedTuple):
    """What became of the records of a trial; the consumer passes if all but the first are 0."""

    records: int
    lost: int
    doubled: int
    wrong: int  # rows with other values, in the wrong table, or a total that is not their number

    @property
    def passed(self) -> bool:
        """Every record is there exactly once, and the totals say so too."""
        return not (self.lost or self.doubled or self.wrong)


class Trial:
    """A topic, a consumer group and a database for one consumer in one drill."""

    def __init__(
        self, consumer: Path, name: str, kafka: str, server: dict[str, Any], logs: Path
    ) -> None:
        self.consumer = consumer
        self.name = f"{name}-{uuid.uuid4().hex[:6]}"
        self.kafka = kafka
        self.random = random.Random(name)
        self.database = server | {"dbname": self.name}
        self.proxy = TcpProxy(int(server["port"]))
        self.sent: dict[Origin, bytes | None] = {}
        self.processes: list[subprocess.Popen[bytes]] = []
        self.log: IO[bytes] = (logs / f"{self.name}.log").open("wb")
        self._make_tables(server)
        with closing(KafkaAdminClient(bootstrap_servers=kafka)) as admin:
            admin.create_topics({self.name: {"num_partitions": PARTITIONS}}, wait_for_metadata=True)

    def _make_tables(self, server: dict[str, Any]) -> None:
        with closing(psycopg2.connect(**server | {"dbname": "postgres"})) as connection:
            connection.autocommit = True
            connection.cursor().execute(f'CREATE DATABASE "{self.name}"')
        with closing(psycopg2.connect(**self.database)) as connection, connection:
            connection.cursor().execute(TABLES)

    def start(self) -> subprocess.Popen[bytes]:
        """Start the consumer; its connection to the database passes through the trial's proxy."""
        environment = os.environ | {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka,
            "TOPIC": self.name,
            "GROUP": self.name,
            "PGHOST": LOCALHOST,
            "PGPORT": str(self.proxy.port),
            "PGUSER": self.database["user"],
            "PGPASSWORD": self.database["password"],
            "PGDATABASE": self.name,
        }
        process = subprocess.Popen(
            [sys.executable, self.consumer], env=environment, stdout=self.log, stderr=self.log
        )
        self.processes.append(process)
        return process

    def restart_what_ended(self) -> None:
        """Start each consumer that has ended again, as `restart: unless-stopped` does in Docker."""
        for process in self.processes[:]:
            if process.poll() is not None:
                self.processes.remove(process)
                self.start()

    def restart_all(self) -> None:
        """Kill every consumer and start it again, as an orchestrator does with a silent one.

        On a slow machine kafka-python 3.0 forgets a join of the group that outlasts the poll in
        which it began; such a consumer never reads anything.
        """
        for process in self.processes:
            process.kill()
            process.wait()
        self.restart_what_ended()

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """Let one process leave as Ctrl-C does, for good."""
        self.processes.remove(process)
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def send(self, producer: KafkaProducer, count: int, broken: float = 0.0) -> None:
        """Send readings, a share of them broken, and remember where Kafka has put each."""
        begin = datetime.now(timezone.utc)
        futures = []
        for number in range(count):
            sensor = f"sensor_{self.random.randrange(SENSORS)}"
            reading = {
                "sensor_id": sensor,
                "timestamp": (begin + timedelta(microseconds=number)).isoformat(),
                "temperature": round(self.random.uniform(-40, 85), 2),
            }
            value: bytes | None = json.dumps(reading).encode()
            if self.random.random() < broken:
                value = self.random.choice([None, b"", b"\xff\xfe", b'{"sensor_id": "cut o', b"{}"])
            futures.append((value, producer.send(self.name, key=sensor.encode(), value=value)))
        for value, future in futures:
            where = future.get(timeout=60)
            self.sent[where.partition, where.offset] = value

    def rows(self) -> tuple[Counter[Origin], dict[Origin, Any], dict[Origin, Any], dict[str, int]]:
        """Copies by origin, the readings, the rejected bytes, and the totals by sensor."""
        with closing(psycopg2.connect(**self.database)) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT * FROM readings")
            readings = cursor.fetchall()
            cursor.execute('SELECT partition, "offset", raw FROM rejected')
            rejected = cursor.fetchall()
            cursor.execute("SELECT sensor_id, sum(readings)::int FROM totals GROUP BY sensor_id")
            totals = dict(cursor.fetchall())
        copies = Counter((row[0], row[1]) for row in [*readings, *rejected])
        values = {(row[0], row[1]): row[2:] for row in readings}
        raws = {(row[0], row[1]): None if row[2] is None else bytes(row[2]) for row in rejected}
        return copies, values, raws, totals

    def wait_until_settled(self) -> None:
        """Return when all has been read and nothing more comes, or when nothing comes for long."""
        before, since, helped = -1, time.monotonic(), False
        while True:
            self.restart_what_ended()
            copies = self.rows()[0]
            if copies.total() != before:
                before, since = copies.total(), time.monotonic()
            all_there = self.sent.keys() <= copies.keys()
            silent = time.monotonic() - since
            if silent > (STILL_SECONDS if all_there else STUCK_SECONDS):
                return
            if silent > SILENT_SECONDS and not helped:
                helped = True
                self.restart_all()
            time.sleep(0.25)

    def verdict(self) -> Verdict:
        """Compare the tables with what was sent, record for record."""
        copies, readings, rejected, totals = self.rows()
        wrong = 0
        expected: Counter[str] = Counter()
        for origin, value in self.sent.items():
            try:
                sensor, at, temperature = parse(value)
            except ValueError:
                wrong += origin in readings
                wrong += rejected.get(origin, value) != value
                continue
            expected[sensor] += 1
            wanted = (sensor, datetime.fromisoformat(at), temperature)
            wrong += origin in rejected
            wrong += readings.get(origin, wanted) != wanted
        doubled = sum(count - 1 for count in copies.values()) + len(copies.keys() - self.sent)
        lost = len(self.sent.keys() - copies.keys())
        if not (lost or doubled):
            wrong += sum(abs(expected[s] - totals.get(s, 0)) for s in expected | totals)
        return Verdict(len(self.sent), lost, doubled, wrong)

    def end(self) -> None:
        """End every process and the proxy."""
        for process in self.processes:
            process.kill()
            process.wait()
        self.proxy.close()
        self.log.close()

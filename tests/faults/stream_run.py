"""One seeded stream of a drill: what was sent, what Kafka acknowledged, the validators that read.

The runs of one drill run in parallel, so that twenty of them take little longer than one.
"""

import itertools
import os
import signal
import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta, timezone
from multiprocessing.process import BaseProcess
from random import Random
from typing import Any

import psycopg2
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from pipeline_common.settings import SENSOR_TOPIC_PARTITIONS
from tests.faults.stream_lab import Lab, start_process
from tests.faults.stream_records import Sent, kind_of, records
from tests.faults.tcp_proxy import LOCALHOST, TcpProxy, Watcher

DRAIN_SECONDS = 400.0
Origin = tuple[int, int]  # partition, offset


class Run:
    """A topic and a consumer group of its own, and a proxy of its own to either server."""

    def __init__(
        self,
        lab: Lab,
        drill: str,
        seed: int,
        database: dict[str, Any],
        watch: Callable[["Run"], Watcher] | None = None,
        *,
        step: timedelta = timedelta(milliseconds=1),
    ) -> None:
        self.lab = lab
        self.seed = seed
        self.random = Random(f"{drill} {seed}")
        self.topic = f"{drill}-{seed}"
        self.database = database
        self.kafka_proxy = lab.kafka_proxies[seed % len(lab.kafka_proxies)]
        self.database_proxy = TcpProxy(
            int(database["port"]), watch=(lambda: watch(self)) if watch else None
        )
        start = datetime.now(timezone.utc) - timedelta(minutes=10)
        self._records = records(self.topic, seed, start.replace(microsecond=0), step)
        self.acknowledged: dict[Origin, Sent] = {}
        self.failed_sends: list[BaseException] = []
        self.faults = 0
        self.validators: list[BaseProcess] = []
        self.log = lab.folder / f"{self.topic}.log"

    def send(self, producer: KafkaProducer, count: int) -> None:
        """Send the next records; Kafka's answers come in later, on the producer's own thread."""
        for sent in itertools.islice(self._records, count):
            future = producer.send(self.topic, key=sent.key, value=sent.value)
            future.add_callback(self._acknowledge, sent)
            future.add_errback(self.failed_sends.append)

    def _acknowledge(self, sent: Sent, where: Any) -> None:
        self.acknowledged[where.partition, where.offset] = sent

    def start(self, *arguments: str) -> BaseProcess:
        """Start a validator; both its connections go through this run's proxies."""
        validator = self.start_script("stream_validator", "--group", self.topic, *arguments)
        self.validators.append(validator)
        return validator

    def start_script(self, script: str, *arguments: str) -> BaseProcess:
        """Start a script of the streaming pipeline on this run's topic."""
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": f"localhost:{self.kafka_proxy.port}",
            "TIMESCALE_HOST": LOCALHOST,
            "TIMESCALE_PORT": str(self.database_proxy.port),
            "TIMESCALE_DATABASE": self.database["dbname"],
        }
        return start_process(script, environment, ["--topic", self.topic, *arguments], self.log)

    def wait_until_reading(self) -> None:
        """Return when a validator has stored a first batch."""
        query = "SELECT FROM stream_offsets WHERE topic = %s AND records > 0"
        deadline = time.monotonic() + 240
        with closing(psycopg2.connect(**self.database)) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            while cursor.execute(query, (self.topic,)) or not cursor.rowcount:
                assert time.monotonic() < deadline, f"{self.topic}: nothing is stored"
                time.sleep(0.1)

    def kill(self, process: BaseProcess, what: str = "validator") -> None:
        """kill -9: no handler runs, nothing is finished."""
        self.fault(f"kill -9 of the {what}")
        process.kill()
        process.join()

    def fault(self, what: str) -> None:
        """Count and tell what is being broken."""
        self.faults += 1
        self.lab.say(f"{self.topic}: {what}")

    def pause(self, low: float, high: float) -> None:
        """Wait a random time, in seconds."""
        time.sleep(self.random.uniform(low, high))

    def end(self) -> None:
        """End every validator that is still running, whatever its state."""
        for validator in self.validators:
            if validator.is_alive():
                os.kill(validator.pid or 0, signal.SIGCONT)
                validator.kill()
            validator.join()
        self.database_proxy.close()

    def drain(self) -> None:
        """Heal the network; a last validator must read the topic to its end by a deadline."""
        self.database_proxy.watch = None
        self.database_proxy.heal()
        self.kafka_proxy.heal()
        last = self.start("--exit-when-idle", "1")
        last.join(DRAIN_SECONDS)
        assert last.exitcode == 0, (
            f"{self.topic}: the validator ended with {last.exitcode}:\n"
            + self.log.read_text(errors="replace")[-3000:]
        )

    def read_topic(self) -> None:
        """Count what Kafka holds as acknowledged, since a killed producer cannot report it."""
        parts = [TopicPartition(self.topic, number) for number in range(SENSOR_TOPIC_PARTITIONS)]
        with closing(KafkaConsumer(bootstrap_servers=self.lab.kafka)) as consumer:
            consumer.assign(parts)
            consumer.seek_to_beginning()
            ends = consumer.end_offsets(parts)
            while any(consumer.position(part) < ends[part] for part in parts):
                for record in itertools.chain(*consumer.poll(timeout_ms=500).values()):
                    sent = Sent(kind_of(record.value, record.timestamp), record.key, record.value)
                    self.acknowledged[record.partition, record.offset] = sent

"""Where the drills run: their own Kafka and TimescaleDB, and validators to kill."""

import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from kafka import KafkaAdminClient, KafkaProducer

from local_stack.stack import Stack
from pipeline_common.console import run
from pipeline_common.errors import StackError
from pipeline_common.settings import SENSOR_TOPIC_PARTITIONS
from streaming_pipeline import sensor_simulator, stream_validator
from tests.databases import administrator, make_database
from tests.faults.tcp_proxy import LOCALHOST, TcpProxy
from tests.own_stack import free_ports, settings_of_its_own

#: A process that has imported the validator once and forks itself for each start of it: still a
#: process of its own that can be killed, without a second of imports.
_FORKSERVER = multiprocessing.get_context("forkserver")
_FORKSERVER.set_forkserver_preload([__name__])
SCRIPTS = {"stream_validator": stream_validator.app, "sensor_simulator": sensor_simulator.app}
SMALL_DISK = "64m"


def become(script: str, environment: dict[str, str], arguments: list[str], log: str) -> None:
    """What a forked process does: run as `python stream_validator.py ...`, write to a log file."""
    os.environ.update(environment)
    with open(log, "ab", buffering=0) as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    sys.argv = [f"{script}.py", *arguments]
    run(SCRIPTS[script])


class Lab:
    """The servers, with a listener of Kafka and a proxy before it for each run."""

    def __init__(self, folder: Path, runs: int, say: Callable[[str], None] = print) -> None:
        self.folder = folder
        self.say = say
        self.stack = Stack(folder / "stack", settings_of_its_own())
        self.small_disk = folder / "small_disk"
        self.kafka_proxies = [TcpProxy(port) for port in free_ports(runs)]
        self._add_kafka_listeners()
        # Up to three validators a run, with two connections each.
        self.stack.services["my_timescaledb"].command.append(f"-cmax_connections={20 + 10 * runs}")

    def _add_kafka_listeners(self) -> None:
        # A client goes on to the address that the broker tells it: so each proxy needs a listener
        # that tells the proxy's port.
        port = self.stack.settings.kafka_port
        listeners = [f"PLAINTEXT://{LOCALHOST}:{port}"]
        advertised = [f"PLAINTEXT://localhost:{port}"]
        for number, proxy in enumerate(self.kafka_proxies):
            listeners.append(f"RUN{number}://{LOCALHOST}:{proxy.target_port}")
            advertised.append(f"RUN{number}://localhost:{proxy.port}")
        protocols = [f"{listener.split(':')[0]}:PLAINTEXT" for listener in listeners]
        with (self.folder / "stack/config/kafka.properties").open("a") as file:
            file.write(
                f"listeners={','.join(listeners)}\n"
                f"advertised.listeners={','.join(advertised)}\n"
                f"listener.security.protocol.map={','.join(protocols)}\n"
                "inter.broker.listener.name=PLAINTEXT\n"
                "num.network.threads=1\n"
                # By a timestamp of 1970 Kafka would delete records before they are read.
                "log.retention.ms=-1\n"
            )

    def close(self) -> None:
        """Stop the servers and the proxies."""
        for proxy in self.kafka_proxies:
            proxy.close()
        self.stack.down()
        if self.small_disk.is_mount():
            subprocess.run(["umount", self.small_disk], check=True)

    @property
    def kafka(self) -> str:
        """Kafka's address without a proxy."""
        return self.stack.settings.kafka_bootstrap_servers

    def database(self, name: str, *, on_small_disk: bool = False) -> dict[str, Any]:
        """psycopg2.connect arguments of a fresh database, without a proxy."""
        login = self.stack.settings.timescale | {"host": LOCALHOST, "dbname": name}
        if on_small_disk:
            self._mount_small_disk()
            self._sql(f"CREATE TABLESPACE {name} LOCATION '{self.small_disk}'")
            self._sql(f"CREATE DATABASE {name} TABLESPACE {name}")
        make_database(self.stack, "my_timescaledb", name)
        return login

    def _sql(self, statement: str) -> None:
        with administrator(self.stack.settings.timescale) as cursor:
            cursor.execute(statement)

    def _mount_small_disk(self) -> None:
        if os.geteuid() != 0:
            raise StackError("Only root can mount the small disk that this drill fills: use sudo.")
        self.small_disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK},mode=700", "tmpfs"]
        if subprocess.run([*mount, self.small_disk], check=False).returncode:
            raise StackError("This machine lets nobody mount the small disk that the drill fills.")
        shutil.chown(self.small_disk, "postgres")

    def producer(self) -> KafkaProducer:
        """A producer whose timeouts are longer than any fault of the broker."""
        return KafkaProducer(
            bootstrap_servers=self.kafka,
            linger_ms=5,
            delivery_timeout_ms=300_000,
            reconnect_backoff_max_ms=500,
            max_block_ms=120_000,
        )

    def topics(self, names: list[str]) -> None:
        """Make the topics of a drill, as the stack makes the real one."""
        admin = KafkaAdminClient(bootstrap_servers=self.kafka)
        layout = {"num_partitions": SENSOR_TOPIC_PARTITIONS, "replication_factor": 1}
        admin.create_topics(dict.fromkeys(names, layout), wait_for_metadata=True)
        admin.close()


def start_process(
    script: str, environment: dict[str, str], arguments: list[str], log: Path
) -> BaseProcess:
    """Fork a process that can be killed; it has `pid`, `kill()`, `join()` and `exitcode`."""
    process = _FORKSERVER.Process(target=become, args=(script, environment, arguments, str(log)))
    process.start()
    # Else every start, in whichever thread, asks all processes for their exit status, which only
    # the first to ask is given: the one that waits for it would see 255.
    multiprocessing.process._children.discard(process)  # type: ignore[attr-defined]
    return process

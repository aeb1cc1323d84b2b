"""A stack separate from the user's: with its own ports and folder, and deleted afterwards.

Tests, drills and benchmarks use such a stack, so that none of them touches the user's data.
"""

import base64
import os
import random
import shutil
import socket
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from local_stack import LOCALHOST
from local_stack.folders import local_folder
from local_stack.stack import Stack
from pipeline_common.settings import Settings

#: Linux gives outgoing connections those from 32768 on.
PORTS = range(10_000, 32_000)
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
#: A port is often listened on long after it was chosen, so no port is given out twice: each worker
#: of pytest-xdist has its own share, in a random order.
_UNUSED_PORTS = list(PORTS[WORKER::WORKERS])
random.SystemRandom().shuffle(_UNUSED_PORTS)


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on now, none of those that outgoing connections are given."""
    ports: list[int] = []
    while len(ports) < count:
        port = _UNUSED_PORTS.pop()
        with socket.socket() as probe, suppress(OSError):
            probe.bind((LOCALHOST, port))
            ports.append(port)
    return ports


def settings_of_its_own() -> Settings:
    """The defaults of a fresh clone on free ports, whatever the developer's own settings are."""
    postgres, timescale, zookeeper, kafka, airflow, *monitoring = free_ports(8)
    values = {name: field.default for name, field in Settings.model_fields.items()}
    return Settings(
        **values
        | {
            "pgport": postgres,
            "timescale_port": timescale,
            "zookeeper_port": zookeeper,
            "kafka_port": kafka,
            "airflow_port": airflow,
            "prometheus_port": monitoring[0],
            "alertmanager_port": monitoring[1],
            "exporter_port": monitoring[2],
            "airflow_jwt_secret": uuid.uuid4().hex,
            "airflow_fernet_key": base64.urlsafe_b64encode(bytes(range(32))).decode(),
        }
    )


def delete(folder: Path) -> None:
    """Delete a folder; the last process of a stack may delete files of its own meanwhile."""

    def unless_it_is_gone(_function: object, _path: str, error: tuple[Any, ...]) -> None:
        if not issubclass(error[0], FileNotFoundError):
            raise error[1]

    shutil.rmtree(folder, onerror=unless_it_is_gone)


@contextmanager
def folder_of_its_own(name: str) -> Iterator[Path]:
    """A folder for a stack's data, which the user postgres may enter; deleted at the end."""
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=local_folder()))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        delete(folder)


@contextmanager
def stack_of_its_own(name: str, *services: str) -> Iterator[Stack]:
    """The named services, running, with their data in a folder of their own."""
    with folder_of_its_own(name) as folder:
        stack = Stack(folder, settings_of_its_own())
        try:
            stack.up(*services)
            yield stack
        finally:
            stack.down()

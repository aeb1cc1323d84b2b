"""A stack beside the user's: ports and a folder of its own, gone without a trace afterwards.

Tests, drills and benchmarks run on such a one, so that none of them meets the user's data.
"""

import base64
import random
import shutil
import socket
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from local_stack import LOCALHOST, install
from local_stack.stack import Stack
from pipeline_settings import Settings

PORTS = (10_000, 32_000)  # Linux gives outgoing connections those from 32768 on


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on now, none of those that outgoing connections are given."""
    ports: set[int] = set()
    while len(ports) < count:
        port = random.randrange(*PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind((LOCALHOST, port))
            ports.add(port)
    return list(ports)


def settings_of_its_own() -> Settings:
    """The defaults of a fresh clone on free ports, whatever the developer's own settings are."""
    postgres, timescale, zookeeper, kafka, airflow = free_ports(5)
    values = {name: field.default for name, field in Settings.model_fields.items()}
    return Settings(
        **values
        | {
            "pgport": postgres,
            "timescale_port": timescale,
            "zookeeper_port": zookeeper,
            "kafka_port": kafka,
            "airflow_port": airflow,
            "airflow_jwt_secret": uuid.uuid4().hex,
            "airflow_fernet_key": base64.urlsafe_b64encode(bytes(range(32))).decode(),
        }
    )


@contextmanager
def folder_of_its_own(name: str) -> Iterator[Path]:
    """A folder for a stack's data, which the user postgres may enter; deleted at the end."""
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=install.local_folder()))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


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

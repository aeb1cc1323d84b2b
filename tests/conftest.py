"""The real servers that tests run against: a stack of their own, not the user's.

Each worker of pytest-xdist has one ("master" is the worker of a run without --numprocesses), with
its own ports and data folder. Each service starts when a test first needs it, and the stack is
stopped when the tests end.
"""

import os
import signal
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from kafka import KafkaAdminClient
from kafka.errors import KafkaError, UnknownTopicOrPartitionError

from local_stack.folders import local_folder
from local_stack.stack import Stack
from pipeline_common.settings import SENSOR_TOPIC_PARTITIONS
from tests.databases import fresh_database
from tests.own_stack import delete, settings_of_its_own

# No test may depend on how fast the machine is.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

# Half the work for a server that lives a minute: the optimizing compiler does not pay off.
os.environ["JDK_JAVA_OPTIONS"] = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"

# A command that a shell runs in the background ignores Ctrl-C, as do its child processes.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def stack(worker_id: str) -> Iterator[Stack]:
    """The worker's own stack; nothing of it runs until `up` is called with a service's name."""
    folder = local_folder() / f"test-{worker_id}"
    if folder.exists():  # left by a run that was killed
        Stack(folder, settings_of_its_own()).down()
        delete(folder)
    stack = Stack(folder, settings_of_its_own())
    yield stack
    stack.down()
    delete(folder)


@pytest.fixture
def pipeline_db(stack: Stack) -> Iterator[dict[str, Any]]:
    """psycopg2.connect arguments of a fresh pipeline database with its sample rows."""
    with fresh_database(stack, "my_postgres") as login:
        yield login


@pytest.fixture
def timeseries_db(stack: Stack) -> Iterator[dict[str, Any]]:
    """psycopg2.connect arguments of a fresh time-series database with its sample readings."""
    with fresh_database(stack, "my_timescaledb") as login:
        yield login


@pytest.fixture(scope="session")
def kafka(stack: Stack) -> str:
    """The address of the running broker."""
    stack.up("my_kafka")
    return stack.settings.kafka_bootstrap_servers


@pytest.fixture
def topic(kafka: str) -> Iterator[str]:
    """A fresh topic with as many partitions as the real one."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin = KafkaAdminClient(bootstrap_servers=kafka)
    admin.create_topics({name: {"num_partitions": SENSOR_TOPIC_PARTITIONS}}, wait_for_metadata=True)
    yield name
    delete_topic(admin, name)
    admin.close()


def delete_topic(admin: KafkaAdminClient, name: str) -> None:
    """Delete it, if need be once a broker that a test has stopped is available again."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:  # afterwards it goes with the stack
        try:
            admin.delete_topics([name])
        except UnknownTopicOrPartitionError:
            return
        except KafkaError:
            time.sleep(1)
        else:
            return

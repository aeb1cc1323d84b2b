"""The real servers that tests run against: a stack of their own, beside the user's.

It has its own ports and data folder, starts when the first test asks for it, each service only when
needed, and is ended when the tests end.
"""

import shutil
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from kafka import KafkaAdminClient

from local_stack import install
from local_stack.own_stack import settings_of_its_own
from local_stack.postgres import run_init_sql
from local_stack.stack import Stack
from pipeline_settings import SENSOR_TOPIC_PARTITIONS


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The tests' own stack; nothing of it runs until `up` is called with a service's name."""
    folder = install.local_folder() / "test"
    if folder.exists():  # left by a run that was killed
        Stack(folder, settings_of_its_own()).down()
        shutil.rmtree(folder)
    stack = Stack(folder, settings_of_its_own())
    yield stack
    stack.down()
    shutil.rmtree(folder)


def fresh_database(stack: Stack, service: str, login: dict[str, Any], sql: str) -> Iterator[Any]:
    """A database of its own on a running server, made by the init SQL, dropped afterwards."""
    stack.up(service)
    name = f"test_{uuid.uuid4().hex[:12]}"
    database = login | {"dbname": name}
    run_init_sql(database, [sql])
    yield database
    admin = psycopg2.connect(**login | {"dbname": "postgres"})
    admin.autocommit = True
    admin.cursor().execute(f"DROP DATABASE {name} WITH (FORCE)")
    admin.close()


@pytest.fixture
def pipeline_db(stack: Stack) -> Iterator[dict[str, Any]]:
    """psycopg2.connect arguments of a fresh pipeline database with its sample rows."""
    yield from fresh_database(stack, "my_postgres", stack.settings.postgres, "init_postgres.sql")


@pytest.fixture
def timeseries_db(stack: Stack) -> Iterator[dict[str, Any]]:
    """psycopg2.connect arguments of a fresh time-series database with its sample readings."""
    login = stack.settings.timescale
    yield from fresh_database(stack, "my_timescaledb", login, "init_timescale.sql")


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
    admin.delete_topics([name])
    admin.close()

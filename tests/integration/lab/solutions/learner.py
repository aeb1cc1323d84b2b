"""What a learner can do to the stack, for the solutions of the exercises."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import Any, NamedTuple

import psutil
import psycopg2
from kafka import KafkaAdminClient, KafkaProducer

from lab.exercises.exercise import Database, Lab
from local_stack.stack import Stack
from pipeline_common.settings import PROJECT_FOLDER, Settings
from tests.conftest import delete_topic


class Learner:
    """The stack as a learner has it: `lab` is what the grader gets."""

    def __init__(self, stack: Stack, lab: Lab) -> None:
        self.stack = stack
        self.lab = lab
        self.at_the_end = ExitStack()

    def sql(self, database: Database, *statements: str) -> None:
        """Run statements one by one, as psql does, with the login that the pages name."""
        settings = self.lab.settings
        login = settings.postgres if database == "pipeline_db" else settings.timescale
        with closing(psycopg2.connect(**login)) as connection:
            connection.autocommit = True
            for statement in statements:
                connection.cursor().execute(statement)

    def kill(self, service: str) -> None:
        """kill -9 a service; return when another process of it is healthy."""
        process = psutil.Process(self.stack.pid(service))
        process.kill()
        process.wait(60)
        deadline = time.monotonic() + 60
        while self.stack.pid(service) in (0, process.pid):
            assert time.monotonic() < deadline, f"{service} does not come back"
            time.sleep(0.1)
        self.stack.wait_until_healthy(service)

    def change_settings(self, **values: object) -> None:
        """Write other values into `.env`."""
        self.lab = self.lab._replace(settings=changed(self.lab.settings, **values))

    def make_topic(self, name: str, partitions: int, **settings: str) -> None:
        """Make a topic, with settings of its own; `retention_ms` is retention.ms."""
        configs = {key.replace("_", "."): value for key, value in settings.items()}
        layout = {name: {"num_partitions": partitions, "configs": configs}}
        with closing(KafkaAdminClient(bootstrap_servers=self.bootstrap)) as admin:
            admin.create_topics(layout, wait_for_metadata=True)
        self.at_the_end.callback(self._delete_topic, name)

    def _delete_topic(self, name: str) -> None:
        with closing(KafkaAdminClient(bootstrap_servers=self.bootstrap)) as admin:
            delete_topic(admin, name)

    def forget_group(self, name: str) -> None:
        """Delete a consumer group at the end."""

        def forget() -> None:
            with closing(KafkaAdminClient(bootstrap_servers=self.bootstrap)) as admin:
                admin.delete_groups([name])

        self.at_the_end.callback(forget)

    def send(self, *values: bytes, **where: Any) -> None:
        """Send values; `key`, `partition` and `timestamp_ms` are those of KafkaProducer.send."""
        with closing(KafkaProducer(bootstrap_servers=self.bootstrap)) as producer:
            for value in values:
                producer.send(self.lab.topic, value, **where)
            producer.flush()

    def validate(self) -> None:
        """Let stream_validator.py read the topic to its end."""
        settings = self.lab.settings.model_dump()
        script = PROJECT_FOLDER / "streaming_pipeline/stream_validator.py"
        place = ["--topic", self.lab.topic, "--group", self.lab.group]
        done = subprocess.run(
            [sys.executable, str(script), *place, "--exit-when-idle", "0.5"],
            env=os.environ | {name.upper(): str(value) for name, value in settings.items()},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    @property
    def bootstrap(self) -> str:
        """Kafka's address."""
        return self.lab.settings.kafka_bootstrap_servers


def changed(settings: Settings, **values: object) -> Settings:
    """The settings with other values; `model_copy` would keep the logins made of the old ones."""
    return Settings.model_validate(settings.model_dump() | values)


Solution = Callable[[Learner], None]


def nothing(_learner: Learner) -> None:
    """A learner who has not begun."""


class Solutions(NamedTuple):
    """A solution that the grader accepts, and at least two that it must not."""

    right: Solution
    wrong: dict[str, tuple[Solution, str]]  # and a part of what the grader has to say of it
    start: Solution = nothing  # where the exercise begins, if not at a fresh stack


def sql(database: Database, *statements: str) -> Solution:
    """A solution that consists of statements."""
    return lambda learner: learner.sql(database, *statements)

"""The pages are followed on the tests' own stack, made as fresh as a new clone's."""

import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from kafka import KafkaAdminClient

from local_stack.postgres import run_init_sql
from local_stack.stack import Stack
from pipeline_settings import (
    PROJECT_FOLDER,
    Settings,
)
from python_scripts.airflow_api import sign_in, wait_for_dag
from python_scripts.demo import DAG_ID


@pytest.fixture(scope="session")
def fresh_stack(stack: Stack) -> Stack:
    """The whole stack, with the rows and messages of a first start and no others."""
    stack.up()
    _make_anew(stack.settings.postgres, ["init_postgres.sql"])
    _make_anew(stack.settings.timescale, ["init_timescale.sql"])
    admin = KafkaAdminClient(bootstrap_servers=stack.settings.kafka_bootstrap_servers)
    admin.delete_groups([group["group_id"] for group in admin.list_groups()])
    while topics := [name for name in admin.list_topics() if not name.startswith("__")]:
        admin.delete_topics(topics)  # Kafka does it in its own time
        time.sleep(0.5)
    admin.close()
    stack.restart("my_kafka")  # makes the topic, as at its first start
    with closing(sign_in(stack.settings)) as airflow:
        wait_for_dag(airflow, DAG_ID)
        airflow.patch(f"/api/v2/dags/{DAG_ID}", json={"is_paused": True}).raise_for_status()
    return stack


def _make_anew(login: dict[str, Any], init_sql: list[str]) -> None:
    admin = psycopg2.connect(**login | {"dbname": "postgres"})
    admin.autocommit = True
    admin.cursor().execute(f"DROP DATABASE IF EXISTS {login['dbname']} WITH (FORCE)")
    admin.close()
    run_init_sql(login, init_sql)


class Reader:
    """Someone who follows a page: types its commands, with the ports of the tests' stack."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        defaults, actual = Settings.model_fields, stack.settings.model_dump()
        self.ports = {
            str(field.default): str(actual[name])
            for name, field in defaults.items()
            if name.endswith("port")
        }
        self.environment = stack.environment | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "COLUMNS": "100",
            "PAGER": "cat",
            "PYTHONUNBUFFERED": "1",
        }

    def start(self, language: str, text: str, database: str) -> "subprocess.Popen[str]":
        """Start a block's command; what it prints, on stdout and stderr alike, is kept."""
        for default, port in self.ports.items():
            text = text.replace(f":{default}", f":{port}")
        command = ["bash", "-e", "-o", "pipefail", "-c", text]
        if language == "sql":
            command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", text, self.url(database)]
        return subprocess.Popen(
            command,
            cwd=PROJECT_FOLDER,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self, process: "subprocess.Popen[str]") -> tuple[int, str]:
        """Exit status and output of a block, as they would be with the default ports."""
        printed, _ = process.communicate(timeout=400)
        for default, port in self.ports.items():
            printed = printed.replace(f":{port}", f":{default}")
        return process.returncode, printed

    def url(self, database: str) -> str:
        """Where psql finds one of the two databases."""
        settings = self.stack.settings
        login = settings.timescale if database == "timeseries_db" else settings.postgres
        return "postgresql://{user}:{password}@{host}:{port}/{dbname}".format(**login)


@pytest.fixture(scope="session")
def reader(fresh_stack: Stack) -> Reader:
    """One reader for all pages: what an earlier block made is there for the next."""
    return Reader(fresh_stack)

"""The pages are followed on the tests' own stack; each page starts from a fresh one."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from local_stack.stack import Stack
from pipeline_common.settings import (
    DAG_ID,
    PROJECT_FOLDER,
    SENSOR_TOPIC,
    SENSOR_TOPIC_PARTITIONS,
    Settings,
)
from python_scripts.airflow_api import sign_in, wait_for_dag
from tests.acceptance.readme.blocks import Block, files_in_git
from tests.broker import forget_groups, leave_only
from tests.databases import INIT_SQL, administrator, login_of, make_database

WAIT_SECONDS = 120
BLOCK_SECONDS = 400

Process = subprocess.Popen[str]


def as_after_the_first_start(stack: Stack) -> None:
    """Reset to the rows and messages of a first start; the DAG is paused."""
    for service in INIT_SQL:
        login = login_of(stack, service)
        with administrator(login) as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {login['dbname']} WITH (FORCE)")
        make_database(stack, service, login["dbname"])
    bootstrap = stack.settings.kafka_bootstrap_servers
    forget_groups(bootstrap)
    leave_only(bootstrap, SENSOR_TOPIC, SENSOR_TOPIC_PARTITIONS)
    with closing(sign_in(stack.settings)) as airflow:
        wait_for_dag(airflow, DAG_ID)
        airflow.patch(f"/api/v2/dags/{DAG_ID}", json={"is_paused": True}).raise_for_status()


class Reader:
    """Someone who follows a page in a clone: types its commands, with the ports of the stack."""

    def __init__(self, stack: Stack, clone: Path) -> None:
        self.stack = stack
        self.clone = clone
        self.page = ""
        self.in_background: list[tuple[Block, Process]] = []
        defaults, actual = Settings.model_fields, stack.settings.model_dump()
        self.ports = {
            str(field.default): str(actual[name])
            for name, field in defaults.items()
            if name.endswith("port")
        }
        self.environment = stack.environment | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(clone),  # before the installed package, which is the project's folder
            "COLUMNS": "100",
            "PAGER": "cat",
            "PYTHONUNBUFFERED": "1",
        }

    def open(self, page: str) -> None:
        """Begin a page: nothing of the previous one is left."""
        if page == self.page:
            return
        self.close()
        shutil.rmtree(self.clone, ignore_errors=True)
        for name in files_in_git():
            (self.clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT_FOLDER / name, self.clone / name)
        as_after_the_first_start(self.stack)
        if page == "docs/monitoring.md":
            self.stack.up("my_prometheus")
        self.page = page

    def close(self) -> None:
        """End what a block that failed has left in the background."""
        for _, process in self.in_background:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.in_background.clear()

    def start(self, language: str, text: str, database: str) -> Process:
        """Start a block's command; what it prints, on stdout and stderr alike, is kept."""
        for default, port in self.ports.items():
            text = text.replace(f":{default}", f":{port}")
        command = ["bash", "-e", "-o", "pipefail", "-c", text]
        if language == "sql":
            command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", text, self.url(database)]
        return subprocess.Popen(
            command,
            cwd=self.clone,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # a process group of its own, as a terminal gives it
        )

    def finish(self, process: Process) -> tuple[int, str]:
        """Exit status and output of a block, as they would be with the default ports."""
        printed, _ = process.communicate(timeout=BLOCK_SECONDS)
        for default, port in self.ports.items():
            printed = printed.replace(f":{port}", f":{default}")
        return process.returncode, printed

    def press_ctrl_c(self) -> Iterator[tuple[Block, int, str]]:
        """In each terminal of the background; what each printed until it ended."""
        for _, process in self.in_background:
            os.killpg(process.pid, signal.SIGINT)
        while self.in_background:
            block, process = self.in_background[0]
            ended = self.finish(process)
            del self.in_background[0]
            yield block, *ended

    def url(self, database: str) -> str:
        """Where psql finds one of the two databases."""
        settings = self.stack.settings
        login = settings.timescale if database == "timeseries_db" else settings.postgres
        return "postgresql://{user}:{password}@{host}:{port}/{dbname}".format(**login)


@pytest.fixture(scope="package")
def reader(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """One reader for all pages; Airflow is stopped with it, to free the CPU for other tests."""
    stack.reset()  # no databases of other tests, no earlier runs of the DAG
    stack.up()
    reader = Reader(stack, tmp_path_factory.mktemp("pages") / "clone")
    yield reader
    reader.close()
    monitoring = [name for name, service in stack.services.items() if service.optional]
    stack.stop("airflow_webserver", "airflow_scheduler", *monitoring)

"""Airflow of the tests' stack, with its web server, scheduler and dag-processor."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from local_stack.stack import Stack
from pipeline_common.settings import PROJECT_FOLDER


@pytest.fixture(scope="package")
def fresh_airflow(stack: Stack) -> Iterator[Stack]:
    """The whole stack after a first start; Airflow is stopped afterwards, to free the CPU."""
    stack.reset()
    stack.up()
    yield stack
    stack.stop("airflow_webserver", "airflow_scheduler")


@pytest.fixture(scope="package")
def demo(fresh_airflow: Stack) -> "subprocess.CompletedProcess[str]":
    """The demo, run once with 5 s of readings, on a stack on which nothing ran before."""
    command = [sys.executable, str(PROJECT_FOLDER / "python_scripts/demo.py"), "--seconds", "5"]
    return subprocess.run(
        command, env=fresh_airflow.environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="package")
def airflow(fresh_airflow: Stack, demo: "subprocess.CompletedProcess[str]") -> Stack:
    """The stack after the demo: one start serves all tests, of which test_demo.py is first."""
    assert demo.returncode == 0, demo.stdout + demo.stderr
    return fresh_airflow

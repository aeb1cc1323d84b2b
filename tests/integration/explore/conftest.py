"""The scripts are run as a user runs them: as processes, on fresh databases of the real servers."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from local_stack.stack import Stack
from pipeline_common.settings import PROJECT_FOLDER

Script = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def environment(
    stack: Stack, pipeline_db: dict[str, Any], timeseries_db: dict[str, Any], kafka: str
) -> dict[str, str]:
    """Settings that lead scripts to this test's own databases."""
    return stack.environment | {
        "PGDATABASE": pipeline_db["dbname"],
        "TIMESCALE_DATABASE": timeseries_db["dbname"],
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "COLUMNS": "100",
    }


@pytest.fixture
def script(environment: dict[str, str]) -> Script:
    """Run a script with arguments and standard input; nothing is a terminal.

    A name alone is one of python_scripts/; others come with their folder.
    """

    def run(name: str, *arguments: str, given: str = "") -> "subprocess.CompletedProcess[str]":
        path = PROJECT_FOLDER / "python_scripts" / f"{name}.py"
        if "/" in name:
            path = PROJECT_FOLDER / f"{name}.py"
        return subprocess.run(
            [sys.executable, str(path), *arguments],
            input=given,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return run


@pytest.fixture
def as_json(script: Script) -> Callable[..., Any]:
    """Run a script with --json and read what it prints."""

    def run(name: str, *arguments: str) -> Any:
        return json.loads(script(name, *arguments, "--json").stdout)

    return run


@pytest.fixture
def send(script: Script, topic: str) -> Callable[[int], dict[str, int]]:
    """Let the simulator send some readings to this test's topic; what it says it sent, by kind."""

    def run(count: int) -> dict[str, int]:
        arguments = ["--topic", topic, "--count", str(count), "--rate", "0", "--json"]
        sent: dict[str, int] = json.loads(
            script("streaming_pipeline/sensor_simulator", *arguments).stdout
        )
        assert sent["sent"] == count
        return sent

    return run


@pytest.fixture
def drain(script: Script, topic: str) -> Callable[[], None]:
    """Let the validator read this test's topic to its end."""

    def run() -> None:
        arguments = ["--topic", topic, "--exit-when-idle", "1"]
        done = script("streaming_pipeline/stream_validator", *arguments)
        assert done.returncode == 0, done.stderr

    return run

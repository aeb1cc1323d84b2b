"""The scripts are run as a user runs them: as processes, on fresh databases of the real servers."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from local_stack.stack import Stack
from pipeline_settings import PROJECT_FOLDER

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
    """Run python_scripts/NAME.py with arguments and standard input; nothing is a terminal."""

    def run(name: str, *arguments: str, given: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, str(PROJECT_FOLDER / "python_scripts" / f"{name}.py"), *arguments],
            input=given,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def as_json(script: Script) -> Callable[..., Any]:
    """Run a script with --json and read what it prints."""

    def run(name: str, *arguments: str) -> Any:
        return json.loads(script(name, *arguments, "--json").stdout)

    return run

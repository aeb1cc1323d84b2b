"""What the README promises of a fresh clone: make demo, make down, make up, make clean."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import psycopg2
import pytest

from pipeline_common.settings import DAG_ID, PROJECT_FOLDER, Settings
from tests.own_stack import free_ports

PORT_VARIABLES = ["PGPORT", "TIMESCALE_PORT", "ZOOKEEPER_PORT", "KAFKA_PORT", "AIRFLOW_PORT"]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A clone of the last commit, in a folder that the user postgres may not enter."""
    folder = tmp_path_factory.mktemp("fresh") / "clone"
    subprocess.run(["git", "clone", "--quiet", PROJECT_FOLDER, folder], check=True)
    yield folder
    make(folder, {}, "clean")


def other_ports() -> dict[str, str]:
    """Other ports than the user's stack may be using."""
    numbers = free_ports(len(PORT_VARIABLES))
    return {name: str(port) for name, port in zip(PORT_VARIABLES, numbers, strict=True)}


def make(
    folder: Path, variables: dict[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run make as a newcomer does: without any of this project's settings in the environment."""
    own = {name.upper() for name in Settings.model_fields} | {"VIRTUAL_ENV", "MAKEFLAGS"}
    plain = {name: value for name, value in os.environ.items() if name not in own}
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=folder,
        env=plain | variables | {"STACK": "local"},
        capture_output=True,
        text=True,
        check=False,
    )


def scraped(ports: dict[str, str]) -> int:
    """How many raw products the clone's database has."""
    with closing(psycopg2.connect(**Settings(pgport=int(ports["PGPORT"])).postgres)) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT count(*) FROM raw_products")
        return int(cursor.fetchone()[0])


@pytest.mark.slow  # CI is a fresh clone itself, and tests/acceptance runs the demo
def test_demo_down_up_clean(clone: Path) -> None:
    ports = other_ports()
    before = {path.name for path in clone.iterdir()}

    first = make(clone, ports, "demo")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "The ledgers balance" in first.stdout

    assert make(clone, ports, "status").returncode == 0
    assert DAG_ID in make(clone, ports, "airflow", "ARGS=dags list").stdout
    before_down = scraped(ports)
    assert before_down > 0
    assert make(clone, ports, "down").returncode == 0
    assert make(clone, ports, "status").returncode != 0

    ports = other_ports()  # the data stays where it is when every service moves
    second = make(clone, ports, "up")
    assert second.returncode == 0, second.stdout + second.stderr
    assert scraped(ports) == before_down

    assert make(clone, ports, "reset").returncode == 0
    assert not (clone / ".local/data").exists()
    assert (clone / ".local/cache").exists()
    assert make(clone, ports, "clean").returncode == 0
    assert {path.name for path in clone.iterdir()} == before
    status = subprocess.run(
        ["git", "status", "--short", "--ignored"],
        cwd=clone,
        capture_output=True,
        text=True,
        check=True,
    )
    assert status.stdout == ""
    assert [p.pid for p in psutil.process_iter() if str(clone) in " ".join(command_of(p))] == []


def command_of(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return []

"""The project's docker-compose.yml, unedited, on a Docker engine of the tests' own.

What this does not prove: the real images' own quirks. No registry can be reached where CI runs, so
the images are stand-ins (stand_ins.py) that follow the documented contract of the real ones. Where
the user's own Docker has the real images, those are used instead.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from local_stack import install
from local_stack.own_stack import settings_of_its_own
from pipeline_settings import PROJECT_FOLDER, Settings
from tests.compose import stand_ins
from tests.compose.engine import docker_engine, why_not

LONG_RUNNING = [
    "my_postgres",
    "my_timescaledb",
    "my_zookeeper",
    "my_kafka",
    "airflow_webserver",
    "airflow_scheduler",
]


@dataclass(frozen=True)
class Compose:
    """A copy of the project on which `docker compose` is run."""

    folder: Path
    docker: dict[str, str]
    settings: Settings
    files: list[str] = field(default_factory=lambda: ["docker-compose.yml"])

    def __call__(self, *arguments: str, ok: bool = True) -> str:
        """Run `docker compose …` and return what it prints; it must succeed, if `ok`."""
        files = [part for name in self.files for part in ("--file", name)]
        return self.run("docker", "compose", *files, *arguments, ok=ok)

    def run(self, *command: str, ok: bool = True) -> str:
        """Run a command in the copy, with the engine and the settings in its environment."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0 or not ok, f"{command}:\n{done.stdout[-4000:]}"
        return done.stdout

    @property
    def environment(self) -> dict[str, str]:
        values = self.settings.model_dump()
        return self.docker | {name.upper(): str(value) for name, value in values.items()}


@pytest.fixture(scope="session")
def docker(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The environment of an engine that has every image that docker-compose.yml names."""
    if images_are_here():
        yield dict(os.environ)
        return
    if reason := why_not():
        pytest.skip(f"docker-compose.yml is not tested here: {reason}")
    with docker_engine() as environment:
        stand_ins.build_all(environment)
        yield environment


def images_are_here() -> bool:
    """Whether the user's own Docker has all the real images."""
    command = ["docker", "compose", "--env-file", ".env.example", "config", "--images"]
    secrets = {"AIRFLOW_JWT_SECRET": "x", "AIRFLOW_FERNET_KEY": "x"}
    if shutil.which("docker") is None:
        return False
    listed = subprocess.run(
        command,
        cwd=PROJECT_FOLDER,
        env=os.environ | secrets,
        capture_output=True,
        text=True,
        check=False,
    )
    names = listed.stdout.split()
    inspect = ["docker", "image", "inspect", *names]
    found = subprocess.run(inspect, capture_output=True, check=False)
    return bool(names) and found.returncode == 0


@pytest.fixture(scope="module")
def compose(docker: dict[str, str]) -> Iterator[Compose]:
    """A copy of the project, on free ports, with .env made as `make env` makes it."""
    folder = install.local_folder() / "test-compose"
    shutil.rmtree(folder, ignore_errors=True)
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=PROJECT_FOLDER, capture_output=True, text=True, check=True)
    for name in filter(None, names.stdout.split("\0")):
        if (PROJECT_FOLDER / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT_FOLDER / name, folder / name)
    install.write_env(folder)
    # As on a machine whose user is not root: files in logs/ must be writable all the same.
    with (folder / ".env").open("a") as env:
        env.write("AIRFLOW_UID=50000\n")
    compose = Compose(folder, docker, settings_of_its_own())
    yield compose
    compose("down", "--volumes", "--remove-orphans", "--timeout", "5", ok=False)
    shutil.rmtree(folder)

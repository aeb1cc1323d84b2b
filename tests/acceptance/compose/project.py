"""A copy of the project, started with `docker compose`, and queries of its containers."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

from local_stack.folders import local_folder
from pipeline_common.settings import PROJECT_FOLDER, Settings
from tests.own_stack import settings_of_its_own

LONG_RUNNING = [
    "my_postgres",
    "my_timescaledb",
    "my_zookeeper",
    "my_kafka",
    "airflow_webserver",
    "airflow_scheduler",
]
#: Characters with a special meaning in URLs, JSON, SQL or a shell.
ODD_PASSWORDS = dict.fromkeys(
    [
        "pgpassword",
        "timescale_password",
        "pipeline_admin_password",
        "pipeline_reader_password",
        "airflow_password",
        "airflow_db_password",
    ],
    "p@ss/w\"o%r'd",
)
SECRETS = {"airflow_jwt_secret", "airflow_fernet_key"}


@dataclass(frozen=True)
class Compose:
    """The copy, the engine's environment, the ports, and the Compose files in use."""

    folder: Path
    docker: dict[str, str]
    settings: Settings
    files: tuple[str, ...]

    def __call__(self, *arguments: str) -> str:
        """Run `docker compose …` and return what it prints; it must succeed."""
        files = [part for name in self.files for part in ("--file", name)]
        return self.run("docker", "compose", *files, *arguments)

    def run(self, *command: str) -> str:
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
        assert done.returncode == 0, f"{command}:\n{done.stdout[-4000:]}"
        return done.stdout

    @property
    def environment(self) -> dict[str, str]:
        """The engine, the ports and the logins; the stack generates the secrets."""
        values = self.settings.model_dump(exclude=SECRETS)
        return self.docker | {name.upper(): str(value) for name, value in values.items()}

    def up(self) -> float:
        """Start everything and wait as the README says; returns the seconds that it took."""
        begin = time.monotonic()
        try:
            self("up", "--detach", "--wait")
        except AssertionError:
            print(self("ps", "--all"), self("logs", "--tail=30"))
            raise
        return time.monotonic() - begin

    def state(self, container: str) -> dict[str, object]:
        """What Docker knows of a container: Status, Pid, ExitCode, StartedAt, Health."""
        inspected = self.run("docker", "inspect", "--format", "{{json .State}}", container)
        found: dict[str, object] = json.loads(inspected)
        return found

    def health(self, container: str) -> object:
        """healthy, unhealthy or starting."""
        found = self.state(container)["Health"]
        return found["Status"] if isinstance(found, dict) else None

    def wait_until_healthy(self, since: dict[str, object], container: str) -> float:
        """Wait until the container has been restarted and is healthy again; the seconds."""
        begin = time.monotonic()
        while (
            self.state(container)["StartedAt"] == since["StartedAt"]
            or self.health(container) != "healthy"
        ):
            waited = time.monotonic() - begin
            assert waited < 300, self.run("docker", "logs", "--tail=20", container)
            time.sleep(0.5)
        return time.monotonic() - begin

    def counts(self) -> dict[str, int]:
        """Rows of the tables that people look at."""
        found: dict[str, int] = {}
        for login, tables in [
            (
                self.settings.postgres,
                ["raw_products", "clean_products", "quarantine_products", "batch_reports"],
            ),
            (self.settings.timescale, ["sensor_readings", "sensor_readings_invalid"]),
        ]:
            counted = ", ".join(f"(SELECT count(*) FROM {table})" for table in tables)
            found |= dict(zip(tables, query(login, f"SELECT {counted}")[0], strict=True))
        return found


def query(login: dict[str, Any], sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    connection = psycopg2.connect(**login)
    with connection.cursor() as cursor:
        cursor.execute(sql)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    connection.close()
    return rows


@contextmanager
def project(docker: dict[str, str], *overrides: str) -> Iterator[Compose]:
    """A fresh clone, without .env, on free ports; containers and data are deleted at the end."""
    folder = local_folder() / "test-compose"
    shutil.rmtree(folder, ignore_errors=True)
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=PROJECT_FOLDER, capture_output=True, text=True, check=True)
    for name in filter(None, names.stdout.split("\0")):
        if (PROJECT_FOLDER / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT_FOLDER / name, folder / name)
    settings = settings_of_its_own().model_copy(update=ODD_PASSWORDS)
    compose = Compose(folder, docker, settings, ("docker-compose.yml", *overrides))
    try:
        yield compose
    finally:
        compose("down", "--volumes", "--remove-orphans", "--timeout", "3")
    left = compose.run("docker", "volume", "ls", "--quiet", "--filter", f"name={folder.name}_")
    assert not left, "`down --volumes` deletes the data"
    shutil.rmtree(folder)

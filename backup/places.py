"""Where the databases run: as processes, or in containers; the scripts of this folder work in both.

The scripts are passed as text: no container can read the clone, nor can every user postgres.
"""

import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from local_stack.account import give, run_as, service_account
from local_stack.stack import Stack
from pipeline_common.errors import StackError

#: For each database, the services to stop for its restore, in this order.
DATABASES = {
    "my_postgres": ("airflow_scheduler", "airflow_webserver", "my_postgres"),
    "my_timescaledb": ("my_timescaledb",),
}
SCRIPTS = Path(__file__).parent
PGDATA = "/var/lib/postgresql/data"  # of both images


class Place(Protocol):
    """Where the stack runs."""

    def run(self, database: str, script: str, *arguments: str) -> str:
        """The output of a script, run as the database's own user; raises StackError if it fails."""

    def is_up(self, database: str) -> bool:
        """Whether the database accepts connections."""

    def stop(self, services: Sequence[str]) -> list[str]:
        """Stop the services; returns those that were running."""

    def start(self, services: Sequence[str]) -> None:
        """Start the services, and return when they are healthy."""


class Processes:
    """The local stack."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def run(self, database: str, script: str, *arguments: str) -> str:
        """See Place."""
        program, _, folder = self.stack.services[database].command[:3]  # postgres -D folder
        backups = self.stack.folder / "backups" / database
        for path in (Path(folder), backups):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            give(path, service_account())
        settings = self.stack.settings
        login = settings.postgres if database == "my_postgres" else settings.timescale
        variables = {
            "PATH": f"{Path(program).parent}:{self.stack.environment['PATH']}",
            "PGDATA": folder,
            "BACKUPS": str(backups),
            "PGHOST": "127.0.0.1",
            "PGPORT": str(login["port"]),
            "PGUSER": "pipeline_admin",
            "PGPASSWORD": settings.pipeline_admin_password,
        }
        command = [*run_as(service_account()), *shell(script, arguments)]
        return printed(command, self.stack.environment | variables)

    def is_up(self, database: str) -> bool:
        """See Place."""
        return self.stack.is_healthy(database)

    def stop(self, services: Sequence[str]) -> list[str]:
        """See Place."""
        ran = self.stack.running()
        self.stack.stop(*services)
        return [name for name in services if name in ran]

    def start(self, services: Sequence[str]) -> None:
        """See Place."""
        self.stack.up(*services)


class Containers:
    """The containers of docker-compose.yml."""

    def run(self, database: str, script: str, *arguments: str) -> str:
        """See Place."""
        user = ["--env", f"PGDATA={PGDATA}", "--env", "BACKUPS=/backups", "--user"]
        if self.is_up(database):
            begin = ["exec", "-T", *user]
            program, rest = [], [database]
        else:
            begin = ["run", "--rm", "-T", "--no-deps", *user]
            program, rest = ["--entrypoint", "sh"], [database]
        # A new volume is owned by root.
        own = f"chown postgres: {PGDATA} /backups && chmod 700 {PGDATA} /backups"
        for account, command in [
            ("root", ["sh", "-c", own]),
            ("postgres", shell(script, arguments)),
        ]:
            text = compose(
                [*begin, account, *program, *rest, *(command[1:] if program else command)]
            )
        return text

    def is_up(self, database: str) -> bool:
        """See Place."""
        return database in self._running()

    def stop(self, services: Sequence[str]) -> list[str]:
        """See Place."""
        ran = self._running()
        compose(["stop", *services])
        return [name for name in services if name in ran]

    def start(self, services: Sequence[str]) -> None:
        """See Place."""
        compose(["up", "--detach", "--wait", *services])

    def _running(self) -> list[str]:
        return compose(["ps", "--services", "--status", "running"]).split()


def compose(arguments: Sequence[str]) -> str:
    """The output of `docker compose …`; raises StackError if it fails."""
    return printed(["docker", "compose", "--progress", "quiet", *arguments])


def shell(script: str, arguments: Sequence[str]) -> list[str]:
    """The command that runs a script of this folder."""
    return ["sh", "-c", (SCRIPTS / script).read_text(), script, *arguments]


def printed(command: Sequence[str], environment: dict[str, str] | None = None) -> str:
    """The output of a command; raises StackError with its stderr if it fails."""
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/" if environment else None,
    )
    try:
        said, error = process.communicate()
    except KeyboardInterrupt:  # subprocess.run would kill it before it can clean up
        process.send_signal(signal.SIGINT)
        process.wait()
        raise
    if process.returncode:
        raise StackError(error.strip() or f"{command[0]} ended with {process.returncode}")
    return said

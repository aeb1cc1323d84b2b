"""What a PostgreSQL server needs: a data folder on first use, its command, the init SQL."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from local_stack import LOCALHOST
from pipeline_console import StackError
from pipeline_settings import PROJECT_FOLDER


def make_cluster(bin_folder: Path, data: Path, login: dict[str, Any], user: str | None) -> None:
    """initdb into `data`, as `user` if one is given, unless there is a cluster already."""
    if data.exists():
        return
    unfinished = data.with_name(f"{data.name}.unfinished")  # an interrupted initdb is begun anew
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700, parents=True)
    initdb = [str(bin_folder / "initdb"), f"--pgdata={unfinished}", f"--username={login['user']}"]
    flags = ["--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256"]
    with tempfile.NamedTemporaryFile("w") as password:
        password.write(login["password"])
        password.flush()
        if user:
            shutil.chown(unfinished, user)
            shutil.chown(password.name, user)
        subprocess.run(
            [*_as_user(user), *initdb, *flags, f"--pwfile={password.name}"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
        )
    unfinished.rename(data)


def _as_user(user: str | None) -> list[str]:
    return ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--"] if user else []


def command(bin_folder: Path, data: Path, port: object, options: dict[str, str]) -> list[str]:
    """The server's command: one port on this machine only, time in UTC, and `options`."""
    settings = {
        "port": port,
        "listen_addresses": LOCALHOST,
        "unix_socket_directories": "",
        "timezone": "UTC",
        **options,
    }
    flags = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
    return [str(bin_folder / "postgres"), "-D", str(data), *flags]


def run_init_sql(
    login: dict[str, Any], files: list[str], variables: dict[str, str] | None = None
) -> None:
    """Make the login's database if it is missing and run the init SQL in it; repeatable."""
    environment = (
        os.environ
        | (variables or {})
        | {
            "PGHOST": str(login["host"]),
            "PGPORT": str(login["port"]),
            "PGUSER": str(login["user"]),
            "PGPASSWORD": str(login["password"]),
        }
    )
    psql = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d"]
    create = """SELECT format('CREATE DATABASE %I', :'name')
        WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \\gexec"""
    steps = [([*psql, "postgres", "-v", f"name={login['dbname']}"], create)]
    for file in files:
        steps.append(([*psql, login["dbname"], "-f", str(PROJECT_FOLDER / "sql" / file)], ""))
    for command, text in steps:
        done = subprocess.run(
            command, input=text, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise StackError(f"{' '.join(command)} failed: {done.stderr.strip()}")

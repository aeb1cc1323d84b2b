"""What a PostgreSQL server needs: a data folder on first use, its command, the init SQL."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from local_stack import LOCALHOST
from local_stack.account import run_as, service_account
from local_stack.service import Service
from pipeline_common.errors import StackError
from pipeline_common.settings import PROJECT_FOLDER


def database(
    name: str,
    *,
    bin_folder: Path,
    data: Path,
    login: dict[str, Any],
    port_variable: str,
    init_sql: list[str],
    schema: str,
    options: dict[str, str],
    sql_variables: dict[str, str],
    backups: Path,
) -> Service:
    """A PostgreSQL server: its init SQL runs on first start, sql/upgrade.sh on every later one."""
    user = service_account()
    initialised = data / "initialised"
    is_set_up = False

    def set_up() -> None:
        nonlocal is_set_up
        if not initialised.exists():
            run_init_sql(login, init_sql, sql_variables)
            initialised.touch()
        elif not is_set_up:
            upgrade(schema, login, sql_variables)
        is_set_up = True

    return Service(
        name=name,
        command=command(bin_folder, data, login["port"], options | archiving(backups)),
        port=int(str(login["port"])),
        port_variable=port_variable,
        healthy=lambda: accepts(bin_folder, login["port"]),
        set_up=set_up,
        prepare=lambda: make_cluster(bin_folder, data, login, user),
        sql_variables=sql_variables,
        user=user,
        stop_signal="INT",  # "fast" shutdown: disconnect the sessions, write a checkpoint, stop
        stop_seconds=60,
    )


def make_cluster(bin_folder: Path, data: Path, login: dict[str, Any], user: str | None) -> None:
    """Run initdb in `data`, as `user` if one is given, unless it has a cluster already."""
    if (data / "PG_VERSION").exists():
        return
    if data.is_dir() and any(data.iterdir()):
        raise StackError(
            f"{data} has files in it, but is no database. Was a restore killed? Then repeat it: "
            "make restore. If you do not need them, delete the folder."
        )
    unfinished = data.with_name(f"{data.name}.unfinished")  # an interrupted initdb starts again
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
            [*run_as(user), *initdb, *flags, f"--pwfile={password.name}"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
        )
    unfinished.rename(data)


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


def archiving(backups: Path) -> dict[str, str]:
    """Have the server archive its WAL in `backups` once base_backup.sh has created `archive_id`."""
    keep = f'to="{backups}/$(cat archive_id)/wal/%f.gz" && gzip -c %p > "$to" && sync "$to"'
    return {"archive_mode": "on", "archive_command": f"[ ! -e archive_id ] || {{ {keep}; }}"}


def accepts(bin_folder: Path, port: object) -> bool:
    """Whether the server accepts connections, regardless of the login."""
    command = [str(bin_folder / "pg_isready"), "-q", "-h", LOCALHOST, "-p", str(port)]
    return subprocess.run(command, check=False).returncode == 0


def run_init_sql(
    login: dict[str, Any], files: list[str], variables: dict[str, str] | None = None
) -> None:
    """Create the login's database if it is missing and run the init SQL in it; idempotent."""
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


def upgrade(name: str, login: dict[str, Any], variables: dict[str, str]) -> None:
    """Upgrade a database of an older release; raises StackError if a newer release created it."""
    environment = {
        "PGHOST": str(login["host"]),
        "PGPORT": str(login["port"]),
        "PGDATABASE": str(login["dbname"]),
        "PGPASSWORD": str(login["password"]),
    }
    done = subprocess.run(
        ["sh", str(PROJECT_FOLDER / "sql/upgrade.sh"), name],
        env=os.environ | variables | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StackError(done.stderr.strip())

"""The stack as local processes: `python -m local_stack up`, used where Docker cannot be had."""

import os
import shutil
import subprocess
import sys
from typing import Annotated

import typer
from supervisor.states import getProcessStateDescription

from local_stack import install
from local_stack.stack import Stack
from pipeline_console import StackError, run, stderr, table
from pipeline_settings import PROJECT_FOLDER, Settings

app = typer.Typer(help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)


def user_stack() -> Stack:
    """The stack of this clone, on the ports that the environment and `.env` say."""
    if not (install.local_folder() / "cache/kafka/done").exists():
        raise StackError("The stack has not been set up yet: make up")
    return Stack(install.local_folder(), Settings(), logs=PROJECT_FOLDER / "logs")


@app.command()
def setup(tests: Annotated[bool, typer.Option(help="also what the tests need")] = False) -> None:
    """Install and download what is missing, saying what and why."""
    install.install_all(for_tests=tests)


@app.command()
def env() -> None:
    """Write .env with secrets of this clone's own, unless it is there."""
    install.write_env()


@app.command()
def up(names: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Start all services, or the named ones and what they need; wait until they are healthy."""
    install.write_env()
    install.install_all()
    stderr.print("Starting the stack as local processes:")
    user_stack().up(*(names or []))


@app.command()
def down() -> None:
    """Stop all services; the data stays."""
    user_stack().down()


@app.command()
def restart(name: str) -> None:
    """Restart one service and wait until it is healthy."""
    user_stack().restart(name)


@app.command()
def status() -> None:
    """Show each service: state, health, port, process; 1 unless all are healthy."""
    stack = user_stack()
    if not stack.is_supervised():
        raise StackError("The stack is down. Start it: make up")
    rows = []
    for name, service in stack.services.items():
        state = getProcessStateDescription(stack.state(name)).lower()
        health = "healthy" if stack.is_healthy(name) else "not healthy"
        rows.append([name, state, health, service.port or "", stack.pid(name) or ""])
    print(table(rows, ["service", "state", "health", "port", "pid"]))
    if any(row[2] != "healthy" for row in rows):
        sys.exit(1)


@app.command()
def logs(
    name: str, follow: Annotated[bool, typer.Option("--follow", "-f", help="go on")] = False
) -> None:
    """Print what a service has written; --follow goes on until Ctrl-C."""
    stack = user_stack()
    if name not in stack.services:
        raise StackError(f"There is no service {name}; there are {', '.join(stack.services)}")
    log = stack.log(name)
    if not log.exists():
        raise StackError(f"{name} has not written anything yet. Start it: make up")
    subprocess.run(["tail", "-n", "+1", *(["-F"] if follow else []), log], check=False)


@app.command(context_settings={"ignore_unknown_options": True})
def airflow(arguments: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Run Airflow's own command on this stack: airflow dags list."""
    environment = user_stack().services["airflow_scheduler"].environment
    command = ["airflow", *(arguments or ["--help"])]
    sys.exit(subprocess.run(command, env=os.environ | environment, check=False).returncode)


@app.command()
def reset() -> None:
    """Stop the stack and delete its data, so that the next start is a first one."""
    user_stack().down()
    for name in ("data", "airflow"):
        shutil.rmtree(install.local_folder() / name, ignore_errors=True)


@app.command()
def clean() -> None:
    """Stop the stack and delete its data, downloads and logs; .env goes too."""
    local = PROJECT_FOLDER / ".local"
    if local.exists():
        if (local / "cache/kafka/done").exists():
            user_stack().down()
        shutil.rmtree(local.resolve())
    if local.is_symlink():
        local.unlink()
    for path in (PROJECT_FOLDER / "logs").iterdir():
        if path.name != ".gitkeep":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (PROJECT_FOLDER / ".env").unlink(missing_ok=True)


if __name__ == "__main__":
    run(app)

"""The stack as local processes: `python -m local_stack up`, for machines without Docker."""

if __name__ == "__main__":
    try:
        from pipeline_common.at_start import ready_for_ctrl_c

        ready_for_ctrl_c()
    except ModuleNotFoundError:
        raise SystemExit("Activate the environment first: source .venv/bin/activate") from None

import os
import subprocess
import sys
from typing import Annotated

import typer
from supervisor.states import getProcessStateDescription

from local_stack import install
from local_stack.account import run_as
from local_stack.env_file import write_env
from local_stack.folders import local_folder
from local_stack.stack import Stack
from pipeline_common.console import run, stderr
from pipeline_common.errors import StackError
from pipeline_common.settings import PROJECT_FOLDER, Settings
from pipeline_common.tables import screen_width, table

app = typer.Typer(help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)


def user_stack() -> Stack:
    """The stack of this clone, on the ports given by the environment and `.env`."""
    if not (local_folder() / "cache/kafka").exists():
        raise StackError("The stack has not been set up yet: make up")
    return Stack(local_folder(), Settings(), logs=PROJECT_FOLDER / "logs")


@app.command()
def setup(tests: Annotated[bool, typer.Option(help="Also what the tests need.")] = False) -> None:
    """Install and download what is missing, saying what and why."""
    install.install_all(for_tests=tests)


@app.command()
def env() -> None:
    """Write .env with secrets of this clone's own unless it exists; keep given ports in it."""
    write_env()


@app.command()
def up(
    names: Annotated[list[str] | None, typer.Argument()] = None,
    monitoring: Annotated[bool, typer.Option(help="Also Prometheus and Alertmanager.")] = False,
) -> None:
    """Start all services, or the named ones and what they need; wait until they are healthy."""
    write_env()
    install.install_all(with_monitoring=monitoring)
    stderr.print("Starting the stack as local processes:")
    stack = user_stack()
    stack.up(*(names or (stack.services if monitoring else [])))


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
    stack.refuse_if_down()
    healthy = stack.healthy()
    rows = []
    for name in healthy:
        service = stack.services[name]
        state = getProcessStateDescription(stack.state(name)).lower()
        health = "healthy" if healthy[name] else "not healthy"
        rows.append([name, state, health, service.port or "", stack.pid(name) or ""])
    print(table(rows, ["service", "state", "health", "port", "pid"], screen_width()))
    if not all(healthy.values()):
        sys.exit(1)


@app.command()
def logs(
    name: str,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print new lines as they come.")
    ] = False,
) -> None:
    """Print a service's log; --follow continues until Ctrl-C."""
    stack = user_stack()
    if name not in stack.services:
        raise StackError(
            f"There is no service {name}; the services are {', '.join(stack.services)}"
        )
    log = stack.log(name)
    if not log.exists():
        raise StackError(f"{name} has not written anything yet. Start it: make up")
    subprocess.run(["tail", "-n", "+1", *(["-F"] if follow else []), log], check=False)


@app.command(context_settings={"ignore_unknown_options": True})
def airflow(arguments: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Run Airflow's own command on this stack: airflow dags list."""
    stack = user_stack()
    stack.refuse_if_down()
    service = stack.services["airflow_scheduler"]
    command = [*run_as(service.user), "airflow", *(arguments or ["--help"])]
    environment = os.environ | service.environment
    sys.exit(subprocess.run(command, env=environment, check=False).returncode)


@app.command()
def reset() -> None:
    """Stop the stack and delete its data, so that the next start is like the first."""
    user_stack().reset()


if __name__ == "__main__":
    run(app)

"""Both pipelines once on the running stack: the DAG through Airflow, 20 s of sensors, the results.

`make demo` starts the stack first and then runs this.
"""

if __name__ == "__main__":
    try:
        from pipeline_common.at_start import ready_for_ctrl_c

        ready_for_ctrl_c()
    except ModuleNotFoundError:
        raise SystemExit("Activate the environment first: source .venv/bin/activate") from None

import shlex
import subprocess
import sys
import time
from contextlib import closing
from typing import Annotated, Any
from urllib.parse import quote

import typer

from pipeline_common.console import log_to_stderr, run, stderr
from pipeline_common.database import connect
from pipeline_common.errors import StackError
from pipeline_common.settings import DAG_ID, PROJECT_FOLDER, Settings
from python_scripts import airflow_api
from python_scripts.queries import print_results, run_query

TASKS = 7
BATCH_RESULTS = ["batch_ledger", "top_rejection_reasons"]
STREAM_RESULTS = ["stream_ledger", "invalid_reasons", "five_minute_averages"]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=__doc__)
def demo(
    seconds: Annotated[int, typer.Option(min=1, help="How long the sensors send.")] = 20,
) -> None:
    """Run both pipelines and show what became of every record; 1 if the ledger does not balance."""
    log_to_stderr()
    settings = Settings()
    begin = time.monotonic()
    run_batch(settings)
    run_stream(seconds)
    show_results(settings)
    say_where_to_look(settings)
    stderr.print(f"Done in {time.monotonic() - begin:.0f} s.")


def run_batch(settings: Settings) -> None:
    """Trigger the DAG as the web page does and follow its tasks; raises StackError if one fails."""
    stderr.print(f"\nBatch: triggering {DAG_ID} in Airflow")
    with closing(airflow_api.sign_in(settings)) as airflow:
        airflow_api.wait_for_dag(airflow, DAG_ID)
        begin = time.monotonic()
        run_id = airflow_api.trigger(airflow, DAG_ID)
        with stderr.status("waiting for the next task to end"):
            tasks = airflow_api.follow(airflow, DAG_ID, run_id)
            for number, (task, state) in enumerate(tasks, start=1):
                seconds = time.monotonic() - begin
                stderr.print(f"  {number} of {TASKS}  {task:20} {state} after {seconds:5.1f} s")


def run_stream(seconds: int) -> None:
    """Run simulator and validator at the same time, as one would in two terminals."""
    stderr.print(f"\nStream: sensors send for {seconds} s, the validator stores what they send")
    commands = {
        "What the simulator sent": ["sensor_simulator.py", "--duration", str(seconds)],
        "What the validator made of it": ["stream_validator.py", "--exit-when-idle", "5"],
    }
    running = {
        title: subprocess.Popen(
            [sys.executable, str(PROJECT_FOLDER / "streaming_pipeline" / script), *options],
            stdout=subprocess.PIPE,
            text=True,
        )
        for title, (script, *options) in commands.items()
    }
    try:
        tables = {title: process.communicate()[0] for title, process in running.items()}
    except KeyboardInterrupt:
        # Ctrl-C reached both as well: each shuts down gracefully and prints its totals.
        for process in running.values():
            print(process.communicate()[0])
        raise
    for title, table in tables.items():
        print(f"\n{title}\n{table}", end="", flush=True)
    if any(process.returncode for process in running.values()):
        raise StackError("The stream failed; its last lines above say why.")


def show_results(settings: Settings) -> None:
    """Print the tables of both layers; raises StackError when a record is missing or doubled."""
    unbalanced = []
    for login, names in [(settings.postgres, BATCH_RESULTS), (settings.timescale, STREAM_RESULTS)]:
        with closing(connect(settings.reader(login), "demo")) as connection:
            results = [run_query(connection, name) for name in names]
        print_results(results, as_json=False)
        ledger = results[0]
        unbalanced += [row for row in ledger.rows if row[list(ledger.headers).index("missing")]]
    if unbalanced:
        raise StackError(f"The ledger does not balance: {unbalanced}. Please report this.")
    print("\nThe ledgers balance: in = valid + invalid + duplicate, no record lost, none doubled.")


def say_where_to_look(settings: Settings) -> None:
    """Addresses, logins and commands, with the ports that this clone uses."""
    login = f"{settings.airflow_user} / {settings.airflow_password}"
    print(f"""
Where to look next
  Airflow        {settings.airflow_url}  (login {login})
  pipeline_db    psql {address_for_psql(settings.postgres)}
                 .venv/bin/python python_scripts/explore_postgres.py
  timeseries_db  psql {address_for_psql(settings.timescale)}
                 .venv/bin/python python_scripts/explore_timescale.py
  Kafka          .venv/bin/python python_scripts/explore_kafka.py
  a live page    .venv/bin/python python_scripts/dashboard.py
  the course     README.md
The stack stays up; `make down` ends it.""")


def address_for_psql(login: dict[str, Any]) -> str:
    """A login as one word for a shell, whatever is in its password."""
    user, password, dbname = (quote(login[key], safe="") for key in ("user", "password", "dbname"))
    return shlex.quote(f"postgresql://{user}:{password}@localhost:{login['port']}/{dbname}")


if __name__ == "__main__":
    run(app)

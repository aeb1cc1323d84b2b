"""Both pipelines once on the running stack: the DAG through Airflow, 20 s of sensors, the results.

`make demo` starts the stack first and then runs this.
"""

import subprocess
import sys
import time
from typing import Annotated

import psycopg2
import typer

from pipeline_console import StackError, log_to_stderr, run, stderr
from pipeline_settings import PROJECT_FOLDER, Settings
from python_scripts import airflow_api
from python_scripts.queries import print_results, run_query

DAG_ID = "product_batch_pipeline"
BATCH_RESULTS = ["batch_ledger", "top_rejection_reasons"]
STREAM_RESULTS = ["stream_ledger", "invalid_reasons", "five_minute_averages"]

app = typer.Typer(help=__doc__, pretty_exceptions_enable=False)


@app.command()
def demo(
    seconds: Annotated[int, typer.Option(min=1, help="how long the sensors send")] = 20,
) -> None:
    """Run both pipelines and show what came of every record; 1 if the ledger does not balance."""
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
    airflow = airflow_api.sign_in(settings)
    airflow_api.wait_for_dag(airflow, DAG_ID)
    begin = time.monotonic()
    run_id = airflow_api.trigger(airflow, DAG_ID)
    with stderr.status("waiting for the first task ..."):
        for task, state in airflow_api.follow(airflow, DAG_ID, run_id):
            stderr.print(f"  {task:20} {state} after {time.monotonic() - begin:5.1f} s")


def run_stream(seconds: int) -> None:
    """Run simulator and validator side by side, as one would in two terminals."""
    stderr.print(f"\nStream: sensors send for {seconds} s, the validator stores what they send")
    scripts = PROJECT_FOLDER / "streaming_pipeline"
    validator = [sys.executable, str(scripts / "stream_validator.py"), "--exit-when-idle", "5"]
    simulator = [sys.executable, str(scripts / "sensor_simulator.py"), "--duration", str(seconds)]
    with subprocess.Popen(validator) as consumer, subprocess.Popen(simulator) as producer:
        failed = producer.wait() or consumer.wait()
    if failed:
        raise StackError("The stream did not end well; its last lines above say why.")


def show_results(settings: Settings) -> None:
    """Print the tables of both layers; raises StackError when a record is missing or doubled."""
    unbalanced = []
    for login, names in [(settings.postgres, BATCH_RESULTS), (settings.timescale, STREAM_RESULTS)]:
        connection = psycopg2.connect(**login)
        results = [run_query(connection, name) for name in names]
        connection.close()
        print_results(results, as_json=False)
        ledger = results[0]
        unbalanced += [row for row in ledger.rows if row[list(ledger.headers).index("missing")]]
    if unbalanced:
        raise StackError(f"The ledger does not balance: {unbalanced}. Please report this.")
    print("\nThe ledgers balance: in = valid + invalid + duplicate, no record lost, none doubled.")


def say_where_to_look(settings: Settings) -> None:
    """Addresses, logins and commands, with the ports that this clone uses."""
    postgres = "postgresql://{pguser}:{pgpassword}@localhost:{pgport}/{pgdatabase}"
    timescale = (
        "postgresql://{timescale_user}:{timescale_password}@localhost:{timescale_port}"
        "/{timescale_database}"
    )
    values = settings.model_dump()
    print(f"""
Where to look next
  Airflow       {settings.airflow_url}  ({settings.airflow_user} / {settings.airflow_password})
  pipeline_db   psql {postgres.format(**values)}
  timeseries_db psql {timescale.format(**values)}
  a live page   .venv/bin/python python_scripts/dashboard.py
  the course    README.md
The stack stays up; `make down` ends it.""")


if __name__ == "__main__":
    run(app)

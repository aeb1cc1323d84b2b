"""Run product_batch_pipeline through Airflow's REST API, as any program can, and follow its tasks.

\b
python python_scripts/run_dag.py              # with the parameters that the DAG has by itself
python python_scripts/run_dag.py seed=7 products_per_vendor=5
"""

import json
from contextlib import closing
from typing import Annotated, Any

import typer

from pipeline_console import run, stderr
from pipeline_settings import Settings
from python_scripts.airflow_api import follow, sign_in, trigger, wait_for_dag
from python_scripts.demo import DAG_ID

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=__doc__)
def main(
    parameters: Annotated[
        list[str] | None, typer.Argument(help="NAME=VALUE, those of the form in Airflow's page.")
    ] = None,
) -> None:
    """Switch the DAG on, start a run and print each task as it ends; 1 if the run fails."""
    conf = dict(map(parameter, parameters or ()))
    with closing(sign_in(Settings())) as airflow:
        wait_for_dag(airflow, DAG_ID)
        run_id = trigger(airflow, DAG_ID, conf)
        stderr.print(f"Run {run_id}", highlight=False)
        for task, state in follow(airflow, DAG_ID, run_id):
            print(f"{task:20} {state}", flush=True)


def parameter(text: str) -> tuple[str, Any]:
    """A name and its value, which is JSON if it can be read as such, else text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text} is not of the form NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


if __name__ == "__main__":
    run(app)

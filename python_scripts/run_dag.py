"""Run product_batch_pipeline through Airflow's REST API, as any program can, and follow its tasks.

\b
python python_scripts/run_dag.py              # with the DAG's default parameters
python python_scripts/run_dag.py seed=7 products_per_vendor=5
"""

if __name__ == "__main__":
    try:
        from pipeline_common.at_start import ready_for_ctrl_c

        ready_for_ctrl_c()
    except ModuleNotFoundError:
        raise SystemExit("Activate the environment first: source .venv/bin/activate") from None

import json
import time
from contextlib import closing
from typing import Annotated, Any

import typer

from batch_pipeline.parameters import ParameterError, read_parameters
from pipeline_common.console import counted, run, stderr
from pipeline_common.settings import DAG_ID, Settings
from python_scripts.airflow_api import follow, sign_in, trigger, wait_for_dag

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(help=__doc__)
def main(
    parameters: Annotated[
        list[str] | None,
        typer.Argument(help="NAME=VALUE, as in the trigger form of Airflow's web page."),
    ] = None,
) -> None:
    """Switch the DAG on, start a run and print each task as it ends; 1 if the run fails."""
    conf = checked(dict(map(parameter, parameters or ())))
    with closing(sign_in(Settings())) as airflow:
        wait_for_dag(airflow, DAG_ID)
        run_id = trigger(airflow, DAG_ID, conf)
        stderr.print(f"Run {run_id}", highlight=False)
        begin = time.monotonic()
        with stderr.status("the first task is running") as line:
            for number, (task, state) in enumerate(follow(airflow, DAG_ID, run_id), start=1):
                print(f"{task:20} {state}", flush=True)
                seconds = time.monotonic() - begin
                ended = counted(number, "task")
                line.update(f"{ended} finished after {seconds:.0f} s, the next one is running")


def parameter(text: str) -> tuple[str, Any]:
    """A name and its value, parsed as JSON if possible, else kept as text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text} is not of the form NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def checked(conf: dict[str, Any]) -> dict[str, Any]:
    """The parameters, if the DAG has them all and allows their values; else a usage error."""
    try:
        read_parameters(conf)
    except ParameterError as error:
        raise typer.BadParameter(str(error)) from None
    return conf


if __name__ == "__main__":
    run(app)

"""The tasks of the two batches in the arena, in their order, and how one is run.

What a task returns goes to the next one as JSON, as through Airflow's XCom; a connection and the
run's seed are what Airflow would give it.

python -m lab.batch_tasks  # runs one, described on standard input, in a process to be killed
"""

import json
import os
import sys
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

from batch_pipeline import report, steps
from batch_pipeline.database import connect
from local_stack.folders import local_folder

# Before it is imported: else Airflow makes a folder in the user's home.
os.environ.setdefault("AIRFLOW_HOME", str(local_folder() / "airflow-of-the-arena"))
from lab.ladder import batch_by_xcom

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

Json = Any
#: Connection, seed of the run, and what the task before returned.
Task = Callable[["Connection", int, Json], Json]


class Batch(NamedTuple):
    """A DAG: its tasks, those that load, and the queries for what it shows at the end."""

    tasks: dict[str, Task]
    loads: tuple[str, ...]
    products: str
    rejected: str


def step(function: "Callable[[Connection, str], Json]") -> Task:
    """A task of ours after the first: it is given the batch's id, and counts its own rows."""

    def task(connection: "Connection", _seed: int, batch_id: Json) -> Json:
        function(connection, batch_id)
        return batch_id

    return task


def land(connection: "Connection", seed: int, _before: Json) -> Json:
    """Our first task: the batch's id is that of the run."""
    batch_id = f"run-{seed}"
    steps.land(connection, batch_id, "tech_store", batch_by_xcom.extract(seed))
    return batch_id


BATCHES = {
    "batch_by_xcom": Batch(
        {
            "extract_products": lambda _connection, seed, _before: batch_by_xcom.extract(seed),
            "validate_products": lambda _connection, _seed, records: batch_by_xcom.validate(
                records
            ),
            "load": lambda connection, _seed, rows: batch_by_xcom.append(connection, rows),
        },
        ("load",),
        "SELECT product_id, name, price, stock FROM lab.appended_products",
        "SELECT record FROM lab.appended_rejections",
    ),
    "product_batch_pipeline": Batch(
        {
            "extract_products": land,
            **{function.__name__: step(function) for function in steps.AFTER_LANDING},
            "generate_report": step(report.generate_report),
        },
        ("load_to_raw_zone", "load_to_clean_zone", "load_to_quarantine"),
        "SELECT product_id, name, price, stock FROM clean_products WHERE batch_id LIKE 'run-%'",
        "SELECT raw_text FROM quarantine_products WHERE batch_id LIKE 'run-%'",
    ),
}


def run_task(login: dict[str, Any], batch: str, name: str, seed: int, before: Json) -> Json:
    """Run one task; its result has gone through JSON, as with XCom."""
    with closing(connect(login)) as connection:
        return json.loads(json.dumps(BATCHES[batch].tasks[name](connection, seed, before)))


if __name__ == "__main__":
    print(json.dumps(run_task(*json.load(sys.stdin))))

"""How fast the batch pipeline is, compared with PostgreSQL alone and with the usual other tools.

python -m tests.benchmarks.batch.bench                 # 45 to 10 million rows, peers, DAG
python -m tests.benchmarks.batch.bench --rows 100000 --no-peers --no-dag

It starts a PostgreSQL of its own, so nothing of yours is touched. Every contender starts from the
same landed rows, in a process and a database of its own, on one core that it shares with its
session on the server:

- limit: COPY of the raw rows, then INSERT … SELECT of rows that were validated before, by
  PostgreSQL alone; once more in two sessions on two cores ("two_limits")
- ours:  the functions that the DAG's tasks call, from load_to_raw_zone to the report; once more in
  a database that holds an earlier batch of the same products ("filled"), and in two slices on
  two cores
- peers: peers.py, with packages in an environment of their own

docs/batch-benchmark.md keeps the tables.
"""

if __name__ == "__main__":
    try:
        from pipeline_common.at_start import ready_for_ctrl_c

        ready_for_ctrl_c()
    except ModuleNotFoundError:
        raise SystemExit("Activate the environment first: source .venv/bin/activate") from None

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from local_stack.folders import cache_folder
from local_stack.stack import Stack
from pipeline_common.console import run, stderr
from pipeline_common.errors import StackError
from pipeline_common.settings import DAG_ID, PROJECT_FOLDER
from pipeline_common.tables import table
from python_scripts import airflow_api
from tests.benchmarks.batch.databases import (
    LANDED,
    Login,
    database,
    fill,
    hand_over_to_limit,
    land,
)
from tests.benchmarks.batch.measure import Result
from tests.benchmarks.batch.plot import plot
from tests.benchmarks.batch.results import HEADERS, PLOT, figures, gains_on_two_cores, write_page
from tests.own_stack import stack_of_its_own

PEERS = ("pure_sql", "polars", "duckdb", "pydantic", "pandera", "great_expectations", "naive")
PEER_PACKAGES = [
    "pydantic==2.14.3",
    "pandas==3.1.1",
    "pandera[pandas]==0.35.0",
    "polars==2.1.0",
    "duckdb==2.0.1",
    "great-expectations==1.24.1",
    "psycopg2-binary==2.9.13",
    "psutil==7.2.2",
]
SIZES = (45, 1_000, 10_000, 50_000, 100_000, 300_000, 1_000_000, 10_000_000)
PEERS_SIZE = 1_000_000  # all ways are compared at one size

app = typer.Typer(help=__doc__, add_completion=False, pretty_exceptions_enable=False)


# --- Contenders -----------------------------------------------------------------------------------


def measured(
    python: object, script: str, contender: str, login: Login, rows: int, *more: object
) -> Result:
    """Run a contender in a process of its own and return what it measured."""
    command = [python, Path(__file__).with_name(script), contender, json.dumps(login), rows, *more]
    environment = os.environ | {"PYTHONPATH": str(PROJECT_FOLDER)}
    stderr.print(f"{contender}, {rows:,} rows")
    with stderr.status(contender):
        done = subprocess.run(
            list(map(str, command)), stdout=subprocess.PIPE, env=environment, check=False
        )
    if done.returncode:
        raise StackError(f"{contender} failed; its last output is above.")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def ours_and_limit(stack: Stack, rows: int) -> Iterator[Result]:
    """Measure both on `rows` landed rows; ours in the ways that the DAG may run it."""
    with database(stack, "bench_ours", LANDED) as login, tempfile.TemporaryDirectory() as folder:
        ours = measured(sys.executable, "ours.py", "ours", login, rows)
        with database(stack, "bench_limit") as limit_login:
            hand_over_to_limit(login, limit_login, Path(folder))
            with database(stack, "bench_two_limits", "bench_limit") as two:
                yield measured(sys.executable, "ours.py", "limit", limit_login, rows, folder)
                yield measured(sys.executable, "ours.py", "two_limits", two, rows, folder)
    yield ours
    with database(stack, "bench_slices", LANDED) as login:
        yield measured(sys.executable, "ours.py", "two_slices", login, rows)
    with database(stack, "bench_filled", LANDED) as login:
        fill(login, rows)
        filled = measured(sys.executable, "ours.py", "ours", login, rows)
        yield filled | {"contender": "ours, filled"}


def all_peers(stack: Stack, size: int, naive_rows: int) -> Iterator[Result]:
    """Measure each peer on the landed rows; the slowest on the first ones of them."""
    python = peers_python()
    for name in PEERS:
        rows = min(naive_rows, size) if name == "naive" else size
        with database(stack, "bench_peer", LANDED) as login:
            yield measured(python, "peers.py", name, login, rows)


def peers_python() -> Path:
    """The Python of the peers' environment, made on first use."""
    folder = cache_folder() / "bench-batch"
    python = folder / "bin/python"
    if not (folder / "done").exists():
        stderr.print("Installing the peers into an environment of their own")
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PEER_PACKAGES], check=True)
        (folder / "done").touch()
    return python


def dag_seconds(runs: int = 3) -> list[float]:
    """From trigger to report for the usual 45 products, on a whole Airflow with LocalExecutor."""
    seconds = []
    with (
        stack_of_its_own("bench-dag", "airflow_scheduler") as stack,
        closing(airflow_api.sign_in(stack.settings)) as airflow,
    ):
        airflow_api.wait_for_dag(airflow, DAG_ID)
        for _ in range(runs):
            start = time.monotonic()
            run_id = airflow_api.trigger(airflow, DAG_ID)
            list(airflow_api.follow(airflow, DAG_ID, run_id))
            seconds.append(time.monotonic() - start)
    return seconds


# --- Commands -------------------------------------------------------------------------------------


@app.command()
def compare(
    rows: Annotated[list[int], typer.Option(min=3, help="Products; may be repeated.")] = [  # noqa: B006
        *SIZES
    ],
    peers: Annotated[bool, typer.Option(help="Measure the other ways too.")] = True,
    naive_rows: Annotated[int, typer.Option(help="Rows for the row-by-row way.")] = 20_000,
    dag: Annotated[bool, typer.Option(help="Measure Airflow's own time too.")] = True,
    write: Annotated[bool, typer.Option(help="Write the tables to the page in docs/.")] = False,
) -> None:
    """Measure all contenders and print rows/s, CPU seconds, peak memory and ratios."""
    results: list[Result] = []
    with stack_of_its_own("bench-batch", "my_postgres") as stack:
        for size in sorted(rows):
            with database(stack, LANDED) as login:
                stderr.print(f"landing {size:,} generated products")
                land(login, size)
                results += ours_and_limit(stack, size)
                if peers and size == min(max(rows), PEERS_SIZE):
                    results += all_peers(stack, size, naive_rows)
    seconds = dag_seconds() if dag else []
    lines = figures(results)
    gains = gains_on_two_cores(results)
    print(table(lines, HEADERS))
    print(gains)
    print(
        "DAG, trigger to report with 45 products:", ", ".join(f"{s:.1f} s" for s in seconds) or "-"
    )
    if write:
        write_page(lines, gains, seconds, PEER_PACKAGES[:6])
        PLOT.write_text(plot(results))


if __name__ == "__main__":
    run(app)

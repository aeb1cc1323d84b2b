"""How fast the batch pipeline is, against PostgreSQL alone and against the usual other ways.

python -m tests.benchmarks.batch.bench                 # 1 and 10 million rows, peers, DAG
python -m tests.benchmarks.batch.bench --rows 100000 --no-peers --no-dag

It starts a PostgreSQL of its own, so nothing of yours is touched. Every contender starts from the
same landed rows, in a process and a database of its own, on one core that it shares with its
session on the server:

- limit: COPY of the raw rows, then INSERT … SELECT of rows judged beforehand, by PostgreSQL alone
- ours:  the functions that the DAG's tasks call, from load_to_raw_zone to the report
- peers: peers.py, with packages in an environment of their own

docs/batch-benchmark.md keeps the tables.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

import psycopg2
import typer

from batch_pipeline import scraper, steps
from local_stack import install
from local_stack.own_stack import stack_of_its_own
from local_stack.postgres import run_init_sql
from pipeline_console import StackError, run, stderr, table
from pipeline_settings import PROJECT_FOLDER
from python_scripts import airflow_api
from tests.benchmarks.batch.measure import Result

Login = dict[str, Any]
BATCH = "bench"
LANDED = "bench_landed"  # the template that each contender's database is copied from
PEERS = ("pydantic", "pandera", "great_expectations", "naive")
PEER_PACKAGES = [
    "pydantic==2.14.3",
    "pandas==3.1.1",
    "pandera[pandas]==0.35.0",
    "great-expectations==1.24.1",
    "psycopg2-binary==2.9.13",
    "psutil==7.2.2",
]
PAGE = PROJECT_FOLDER / "docs" / "batch-benchmark.md"
MARK = "<!-- written by make bench-batch -->\n"
HEADERS = ["", "rows", "seconds", "rows/s", "of limit", "CPU s", "of limit's CPU"]
HEADERS += ["client MB", "server MB", "clean rows"]

# The limit's input, taken from what ours has done.
RAW_ROWS = """
    COPY (SELECT batch_id, source, line_number, ingestion_time, raw_text, raw_data
          FROM raw_products WHERE batch_id = 'bench' ORDER BY id) TO STDOUT"""
JUDGED = """
    COPY (SELECT raw.id, raw.batch_id, raw.source, raw.ingestion_time, verdict.rule_version,
                 product_id, name, price, stock, category, issues,
                 CASE WHEN issues IS NOT NULL THEN raw_data END,
                 CASE WHEN issues IS NOT NULL THEN raw_text END
          FROM product_verdicts AS verdict JOIN raw_products AS raw ON raw.id = raw_id
          WHERE raw.batch_id = 'bench') TO STDOUT"""
CREATE_JUDGED = """
    CREATE TABLE judged (raw_id bigint, batch_id text, source text, ingestion_time timestamptz,
                         rule_version integer, product_id text COLLATE "C", name text,
                         price numeric, stock integer, category text, issues text, raw_data jsonb,
                         raw_text text)"""
app = typer.Typer(help=__doc__, add_completion=False, pretty_exceptions_enable=False)


# --- Databases ------------------------------------------------------------------------------------


@contextmanager
def database(server: Login, name: str, template: str = "template1") -> Iterator[Login]:
    """A database of the benchmark's own, with the project's tables; dropped at the end."""
    with closing(psycopg2.connect(**server)) as admin:
        admin.autocommit = True
        cursor = admin.cursor()
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        login = server | {"dbname": name}
        run_init_sql(login, ["init_postgres.sql"])
        try:
            yield login
        finally:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def land(login: Login, rows: int) -> None:
    """Land generated products, a third of them from each vendor."""
    with closing(psycopg2.connect(**login)) as connection:
        for number, vendor in enumerate(scraper.VENDORS):
            count = rows // 3 + (number < rows % 3)
            steps.land(connection, BATCH, vendor, scraper.scrape(vendor, count, seed=1))


# --- Contenders -----------------------------------------------------------------------------------


def hand_over_to_limit(done: Login, limit_login: Login, raw_rows: Path) -> None:
    """Take the rows that ours has judged as the limit's input; the raw ones go to a file."""
    judged = raw_rows.with_name("judged")
    with closing(psycopg2.connect(**done)) as connection, connection.cursor() as cursor:
        for file, copy in ((raw_rows, RAW_ROWS), (judged, JUDGED)):
            with file.open("wb") as target:
                cursor.copy_expert(copy, target)
    with (
        closing(psycopg2.connect(**limit_login)) as connection,
        connection,
        connection.cursor() as cursor,
        judged.open("rb") as source,
    ):
        cursor.execute(CREATE_JUDGED)
        cursor.copy_expert("COPY judged FROM STDIN", source)
    judged.unlink()


def measured(
    python: object, script: str, contender: str, login: Login, rows: int, *more: object
) -> Result:
    """Run a contender in a process of its own and return what it measured."""
    command = [python, Path(__file__).with_name(script), contender, json.dumps(login), rows, *more]
    environment = os.environ | {"PYTHONPATH": str(PROJECT_FOLDER)}
    stderr.print(f"{contender}, {rows:,} rows")
    done = subprocess.run(
        list(map(str, command)), stdout=subprocess.PIPE, env=environment, check=False
    )
    if done.returncode:
        raise StackError(f"{contender} failed; its last words are above.")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def ours_and_limit(server: Login, rows: int) -> list[Result]:
    """Measure both on `rows` landed rows."""
    with database(server, "bench_ours", LANDED) as login, tempfile.TemporaryDirectory() as folder:
        ours_result = measured(sys.executable, "ours.py", "ours", login, rows)
        with database(server, "bench_limit") as limit_login:
            raw_rows = Path(folder) / "raw_rows"
            hand_over_to_limit(login, limit_login, raw_rows)
            arguments = ("limit", limit_login, rows, raw_rows)
            return [measured(sys.executable, "ours.py", *arguments), ours_result]


def all_peers(server: Login, size: int, naive_rows: int) -> Iterator[Result]:
    """Measure each peer on the landed rows; the slowest on the first ones of them."""
    python = peers_python()
    for name in PEERS:
        rows = min(naive_rows, size) if name == "naive" else size
        with database(server, "bench_peer", LANDED) as login:
            yield measured(python, "peers.py", name, login, rows)


def peers_python() -> Path:
    """The Python of the peers' environment, made on first use."""
    folder = install.cache_folder() / "bench-batch"
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
    dag_id = "product_batch_pipeline"
    seconds = []
    with (
        stack_of_its_own("bench-dag", "airflow_scheduler") as stack,
        closing(airflow_api.sign_in(stack.settings)) as airflow,
    ):
        airflow_api.wait_for_dag(airflow, dag_id)
        for _ in range(runs):
            start = time.monotonic()
            run_id = airflow_api.trigger(airflow, dag_id)
            list(airflow_api.follow(airflow, dag_id, run_id))
            seconds.append(time.monotonic() - start)
    return seconds


# --- Results --------------------------------------------------------------------------------------


def figures(results: list[Result]) -> list[list[str]]:
    """A line for each contender; ratios are to the limit at the same size, or at the next one."""
    limits = {r["rows"]: r for r in results if r["contender"] == "limit"}
    lines = []
    for r in results:
        best = limits[min((n for n in limits if n >= r["rows"]), default=max(limits))]
        rate, per_cpu = r["rows"] / r["seconds"], r["rows"] / r["cpu"]
        ratio, cpu_ratio = (
            rate * best["seconds"] / best["rows"],
            per_cpu * best["cpu"] / best["rows"],
        )
        speed = [f"{r['seconds']:.1f}", f"{rate:,.0f}", f"{100 * ratio:.1f} %"]
        cpu = [f"{r['cpu']:.1f}", f"{100 * cpu_ratio:.1f} %"]
        memory = [f"{r['client_mb']:.0f}", f"{r['server_mb']:.0f}"]
        lines.append([r["contender"], f"{r['rows']:,}", *speed, *cpu, *memory, f"{r['clean']:,}"])
    return lines


def write_page(lines: list[list[str]], dag: list[float]) -> None:
    """Put the tables into the page, with the day, the machine and the versions."""
    rows = ["| " + " | ".join(line) + " |" for line in (HEADERS, ["---"] * len(HEADERS), *lines)]
    day = f"{datetime.now(timezone.utc):%Y-%m-%d}"
    machine = (
        f"{day}, {os.cpu_count()} cores, {platform.platform()}, Python {sys.version.split()[0]}"
    )
    overhead = ", ".join(f"{seconds:.1f} s" for seconds in dag) or "not measured in this run"
    text = [*rows, "", f"The DAG, from trigger to report with 45 products: {overhead}."]
    text += ["", f"{machine}, PostgreSQL 15. Peers: {', '.join(PEER_PACKAGES[:4])}.", ""]
    before, _, after = PAGE.read_text().split(MARK)
    PAGE.write_text(MARK.join([before, "\n".join(text), after]))


# --- Commands -------------------------------------------------------------------------------------


@app.command()
def compare(
    rows: Annotated[list[int], typer.Option(min=3, help="products; may be repeated")] = [  # noqa: B006
        1_000_000,
        10_000_000,
    ],
    peers: Annotated[bool, typer.Option(help="measure the other ways too")] = True,
    naive_rows: Annotated[int, typer.Option(help="rows for the row-by-row way")] = 20_000,
    dag: Annotated[bool, typer.Option(help="measure Airflow's own time, too")] = True,
    write: Annotated[bool, typer.Option(help="put the tables into the page in docs/")] = False,
) -> None:
    """Measure all contenders and print rows/s, CPU seconds, peak memory and ratios."""
    results: list[Result] = []
    with stack_of_its_own("bench-batch", "my_postgres") as stack:
        server = stack.settings.postgres
        for size in sorted(rows):
            with database(server, LANDED) as login:
                stderr.print(f"landing {size:,} generated products")
                land(login, size)
                results += ours_and_limit(server, size)
                if peers and size == min(rows):
                    results += all_peers(server, size, naive_rows)
    seconds = dag_seconds() if dag else []
    lines = figures(results)
    print(table(lines, HEADERS))
    print(
        "DAG, trigger to report with 45 products:", ", ".join(f"{s:.1f} s" for s in seconds) or "-"
    )
    if write:
        write_page(lines, seconds)


if __name__ == "__main__":
    run(app)

"""How fast the batch pipeline is, against PostgreSQL alone and against the usual other ways.

python batch_pipeline/bench.py                                # 1 million rows, peers too
python batch_pipeline/bench.py --rows 1000000 --rows 10000000 --no-peers

Every contender starts from the same landed rows, in a process and a database of its own, on one
core that it shares with its server session:

- limit: COPY of the raw rows, then INSERT … SELECT of rows judged beforehand, by PostgreSQL alone
- ours:  the functions that the DAG's tasks call, from load_to_raw_zone to the report
- peers: batch_pipeline/bench_peers.py, which uv runs in an environment of its own
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import psutil
import psycopg2
import typer
from psycopg2.extensions import connection as Connection

from batch_pipeline import report, scraper, steps
from local_stack.postgres import run_init_sql
from pipeline_console import run, stderr, table
from pipeline_settings import Settings

BATCH = "bench"
LANDED = "bench_landed"  # the template that each contender's database is copied from
PEERS = ("pydantic", "pandera", "great_expectations", "naive")

# The limit: its input, taken from what ours has done, and its work.
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
LOAD_RAW = """
    COPY raw_products (batch_id, source, line_number, ingestion_time, raw_text, raw_data)
    FROM STDIN"""
LOAD_CLEAN = """
    INSERT INTO clean_products (product_id, name, price, stock, category, source, batch_id, raw_id,
                                ingestion_time, rule_version)
    SELECT product_id, name, price, stock, category, source, batch_id, raw_id, ingestion_time,
           rule_version
    FROM judged WHERE issues IS NULL"""
LOAD_QUARANTINE = """
    INSERT INTO quarantine_products
        (raw_id, batch_id, source, raw_data, raw_text, issues, rule_version)
    SELECT raw_id, batch_id, source, raw_data, raw_text, issues, rule_version
    FROM judged WHERE issues IS NOT NULL"""

Result = dict[str, Any]
app = typer.Typer(help=__doc__, pretty_exceptions_enable=False)


# --- Databases and measuring ----------------------------------------------------------------------


@contextmanager
def admin_cursor() -> Iterator[Any]:
    """A cursor that may create and drop databases."""
    connection = psycopg2.connect(**Settings().postgres)
    connection.autocommit = True
    with connection.cursor() as cursor:
        yield cursor
    connection.close()


@contextmanager
def database(name: str, template: str = "") -> Iterator[dict[str, Any]]:
    """A database of the benchmark's own, with the project's tables; dropped at the end."""
    login = Settings().postgres | {"dbname": name}
    with admin_cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        if template:
            cursor.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    run_init_sql(login, ["init_postgres.sql"])
    try:
        yield login
    finally:
        with admin_cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def measure(login: dict[str, Any], rows: int, work: Callable[[Connection], object]) -> Result:
    """Run `work` on one core and return what it took: seconds, CPU seconds, peak memory in MB."""
    connection = psycopg2.connect(**login)
    with connection, connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")
    processes = [psutil.Process(), *server_session(connection)]
    pin_to_one_core(processes)
    before, start = cpu_seconds(processes), time.perf_counter()
    work(connection)
    seconds = time.perf_counter() - start
    result = {
        "rows": rows,
        "seconds": seconds,
        "cpu": cpu_seconds(processes) - before,
        "client_mb": peak_mb(processes[0]),
        "server_mb": private_mb(processes[1]) if len(processes) > 1 else None,
    }
    connection.close()
    return result


def server_session(connection: Connection) -> list[psutil.Process]:
    """The server's process behind a connection, where it runs on this machine and may be seen."""
    try:
        process = psutil.Process(connection.info.backend_pid)
        return [process] if process.name() == "postgres" else []
    except psutil.NoSuchProcess:
        return []


def pin_to_one_core(processes: list[psutil.Process]) -> None:
    """Let client and server session share one core, where the system allows it."""
    try:
        for process in processes:
            process.cpu_affinity([0])
    except (AttributeError, psutil.AccessDenied):  # no such call on macOS; a server of another user
        stderr.print("Not pinned to one core: run as root on Linux for that.")


def cpu_seconds(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def peak_mb(process: psutil.Process) -> float:
    return status_kb(process, "VmHWM") / 1024


def private_mb(process: psutil.Process) -> float:
    """Memory of the session itself, without the buffers that all sessions share."""
    return status_kb(process, "RssAnon") / 1024


def status_kb(process: psutil.Process, name: str) -> int:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


# --- Contenders -----------------------------------------------------------------------------------


def land(login: dict[str, Any], rows: int) -> None:
    """Land generated products, a third of them from each vendor."""
    connection = psycopg2.connect(**login)
    for number, vendor in enumerate(scraper.VENDORS):
        count = rows // 3 + (number < rows % 3)
        steps.land(connection, BATCH, vendor, scraper.scrape(vendor, count, seed=1))
    connection.close()


def ours(connection: Connection) -> None:
    """What the DAG's tasks call, each step's time on stderr."""
    for step in (
        steps.load_to_raw_zone,
        steps.validate,
        steps.load_to_clean_zone,
        steps.load_to_quarantine,
        steps.mark_processed,
        report.generate_report,
    ):
        start = time.perf_counter()
        step(connection, BATCH)
        stderr.print(f"    {step.__name__:20} {time.perf_counter() - start:7.2f} s")


def limit(connection: Connection, raw_rows: Path) -> None:
    """The same rows into the same tables by PostgreSQL alone."""
    with connection, connection.cursor() as cursor, raw_rows.open("rb") as file:
        cursor.copy_expert(LOAD_RAW, file, size=1 << 20)
        cursor.execute(LOAD_CLEAN)
        cursor.execute(LOAD_QUARANTINE)


def hand_over_to_limit(done: dict[str, Any], limit_login: dict[str, Any], folder: Path) -> Path:
    """Take the rows that ours has judged as the limit's input; returns the file of raw rows."""
    raw_rows, judged = folder / "raw_rows", folder / "judged"
    with psycopg2.connect(**done) as connection, connection.cursor() as cursor:
        for file, copy in ((raw_rows, RAW_ROWS), (judged, JUDGED)):
            with file.open("wb") as target:
                cursor.copy_expert(copy, target)
    with psycopg2.connect(**limit_login) as connection, connection.cursor() as cursor:
        cursor.execute(CREATE_JUDGED)
        with judged.open("rb") as source:
            cursor.copy_expert("COPY judged FROM STDIN", source)
    judged.unlink()
    return raw_rows


def in_a_process(*arguments: str) -> Result:
    """Run this script's `one` command and return what it measured."""
    command = [sys.executable, __file__, "one", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return dict(json.loads(done.stdout))


def peer(name: str, login: dict[str, Any], rows: int) -> Result:
    """Run a peer by uv, which brings its packages; their versions stand in bench_peers.py."""
    script = Path(__file__).with_name("bench_peers.py")
    command = ["uv", "run", "--quiet", "--script", str(script), name, json.dumps(login), str(rows)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return dict(json.loads(done.stdout))


# --- Commands -------------------------------------------------------------------------------------


@app.command(hidden=True)
def one(contender: str, login: str, rows: int, raw_rows: Path | None = None) -> None:
    """Measure one contender, in this process, and print the figures as JSON."""
    work = ours if raw_rows is None else lambda connection: limit(connection, raw_rows)
    print(json.dumps({"contender": contender} | measure(json.loads(login), rows, work)))


def ours_and_limit(rows: int) -> list[Result]:
    """Measure both on `rows` landed rows."""
    with database("bench_ours", LANDED) as login, tempfile.TemporaryDirectory() as folder:
        stderr.print(f"ours, {rows:,} rows")
        ours_result = in_a_process("ours", json.dumps(login), str(rows))
        with database("bench_limit") as limit_login:
            raw_rows = hand_over_to_limit(login, limit_login, Path(folder))
            stderr.print(f"limit, {rows:,} rows")
            arguments = ("limit", json.dumps(limit_login), str(rows), "--raw-rows", str(raw_rows))
            return [in_a_process(*arguments), ours_result]


def print_figures(results: list[Result]) -> None:
    """One line for each contender; the ratio is to the limit's rows/s at the nearest size."""
    limits = {r["rows"]: r["rows"] / r["seconds"] for r in results if r["contender"] == "limit"}
    lines = []
    for r in results:
        rate = r["rows"] / r["seconds"]
        best = limits.get(r["rows"], limits[min(limits)])
        ratio = f"{100 * rate / best:.1f} %"
        memory = (f"{r['client_mb']:.0f}", r["server_mb"] and f"{r['server_mb']:.0f}")
        times = f"{r['seconds']:.1f}", f"{r['cpu']:.1f}"
        lines.append((r["contender"], f"{r['rows']:,}", *times, f"{rate:,.0f}", ratio, *memory))
    headers = ["", "rows", "seconds", "CPU s", "rows/s", "of limit", "client MB", "server MB"]
    print(table(lines, headers))


@app.command()
def compare(
    rows: Annotated[list[int], typer.Option(min=3, help="products; may be repeated")] = [1_000_000],  # noqa: B006
    peers: Annotated[bool, typer.Option(help="measure the other ways too")] = True,
    naive_rows: Annotated[int, typer.Option(help="rows for the row-by-row way")] = 20_000,
) -> None:
    """Measure all contenders and print rows/s, CPU seconds, peak memory and ratios."""
    results: list[Result] = []
    for size in sorted(rows):
        with database(LANDED) as login:
            stderr.print(f"landing {size:,} generated products")
            land(login, size)
            results += ours_and_limit(size)
            if peers and size == min(rows):
                results += all_peers(size, naive_rows)
    print_figures(results)


def all_peers(size: int, naive_rows: int) -> list[Result]:
    """Measure each peer on the landed rows; the slowest on its first ones."""
    if shutil.which("uv") is None:
        stderr.print("The peers are left out: they need uv (https://docs.astral.sh/uv).")
        return []
    results = []
    for name in PEERS:
        rows = min(naive_rows, size) if name == "naive" else size
        with database("bench_peer", LANDED) as login:
            stderr.print(f"{name}, {rows:,} rows")
            results.append(peer(name, login, rows))
    return results


if __name__ == "__main__":
    run(app)

"""The two contenders that every other one is measured by, on one core and on two.

bench.py runs them:

python ours.py ours LOGIN ROWS
python ours.py two_slices LOGIN ROWS
python ours.py limit LOGIN ROWS FOLDER  # it holds the raw rows, the table verdicts the rest
python ours.py two_limits LOGIN ROWS FOLDER
"""

import json
import multiprocessing
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg2

from batch_pipeline import report, steps
from batch_pipeline.slices import cut
from pipeline_common.console import stderr
from tests.benchmarks.batch.measure import cpu_seconds, measure, pin

if TYPE_CHECKING:
    from multiprocessing.pool import Pool

    from psycopg2.extensions import connection as Connection

BATCH = "bench"
LOAD_RAW = """
    COPY raw_products (batch_id, source, line_number, ingestion_time, raw_text, raw_data)
    FROM STDIN"""
LOAD_CLEAN = """
    INSERT INTO clean_products (product_id, name, price, stock, category, source, batch_id, raw_id,
                                ingestion_time, rule_version)
    SELECT product_id, name, price, stock, category, source, batch_id, raw_id, ingestion_time,
           rule_version
    FROM verdicts WHERE issues IS NULL AND half = ANY (%s)"""
LOAD_QUARANTINE = """
    INSERT INTO quarantine_products
        (raw_id, batch_id, source, raw_data, raw_text, issues, rule_version)
    SELECT raw_id, batch_id, source, raw_data, raw_text, issues, rule_version
    FROM verdicts WHERE issues IS NOT NULL AND half = ANY (%s)"""
CORES = (0, 1)


def ours(connection: "Connection") -> None:
    """What the DAG's tasks call, each step's time on stderr."""
    for step in (*steps.AFTER_LANDING, report.generate_report):
        start = time.perf_counter()
        step(connection, BATCH)
        stderr.print(f"    {step.__name__:20} {time.perf_counter() - start:7.2f} s")


def on_cores(
    login: dict[str, Any], cores: Sequence[int], work: Callable[..., object], *arguments: object
) -> float:
    """Some work on cores that its process shares with its session; returns CPU seconds."""
    with closing(psycopg2.connect(**login)) as connection:
        both = psutil.Process(), psutil.Process(connection.info.backend_pid)
        pin(cores, *both)
        before = cpu_seconds(*both)
        work(connection, *arguments)
        return cpu_seconds(*both) - before


def two_slices(connection: "Connection", login: dict[str, Any], pool: "Pool") -> float:
    """As the DAG does for a large batch: slices in parallel; returns the slices' CPU seconds."""
    steps.load_to_raw_zone(connection, BATCH)

    def on_each_core(step: Callable[..., int]) -> list[tuple[Any, ...]]:
        return [
            (login, [core], step, BATCH, part) for core, part in zip(CORES, cut(2), strict=True)
        ]

    cpu = sum(pool.starmap(on_cores, on_each_core(steps.validate), chunksize=1))
    loads = [
        *on_each_core(steps.load_to_clean_zone),
        (login, CORES, steps.load_to_quarantine, BATCH),
    ]
    cpu += sum(pool.starmap(on_cores, loads, chunksize=1))
    for step in (steps.mark_processed, report.generate_report):
        step(connection, BATCH)
    return cpu


def limit(connection: "Connection", folder: Path, halves: Sequence[int] = (0, 1)) -> None:
    """The same rows into the same tables by PostgreSQL alone."""
    with connection, connection.cursor() as cursor:
        for half in halves:
            with (folder / f"half_{half}").open("rb") as file:
                cursor.copy_expert(LOAD_RAW, file, size=1 << 20)
        cursor.execute(LOAD_CLEAN, [list(halves)])
        cursor.execute(LOAD_QUARANTINE, [list(halves)])


def two_limits(
    _connection: "Connection", folder: Path, login: dict[str, Any], pool: "Pool"
) -> float:
    """The limit in two sessions at once, half of the rows each: what a second core can bring."""
    works = [(login, [core], limit, folder, [core]) for core in CORES]
    return sum(pool.starmap(on_cores, works, chunksize=1))


def main(contender: str, login_json: str, rows: int, folder: str = "") -> None:
    """Print what the contender took, as JSON."""
    login = json.loads(login_json)
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        pool.map(abs, range(3))  # they have started, and imported this module
        works: dict[str, Callable[[Connection], float | None]] = {
            "ours": ours,
            "two_slices": partial(two_slices, login=login, pool=pool),
            "limit": partial(limit, folder=Path(folder)),
            "two_limits": partial(two_limits, folder=Path(folder), login=login, pool=pool),
        }
        print(json.dumps({"contender": contender} | measure(login, rows, works[contender])))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])

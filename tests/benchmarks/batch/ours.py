"""The two contenders that every other one is measured by; bench.py runs them.

python ours.py ours LOGIN ROWS
python ours.py two_slices LOGIN ROWS    # on two cores
python ours.py limit LOGIN ROWS FILE    # FILE holds the raw rows, the table verdicts the rest
"""

import json
import multiprocessing
import sys
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import psycopg2

from batch_pipeline import report, steps
from batch_pipeline.slices import cut
from pipeline_common.console import stderr
from tests.benchmarks.batch.measure import cpu_seconds, measure, pin_to_core

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
    FROM verdicts WHERE issues IS NULL"""
LOAD_QUARANTINE = """
    INSERT INTO quarantine_products
        (raw_id, batch_id, source, raw_data, raw_text, issues, rule_version)
    SELECT raw_id, batch_id, source, raw_data, raw_text, issues, rule_version
    FROM verdicts WHERE issues IS NOT NULL"""


def ours(connection: "Connection") -> None:
    """What the DAG's tasks call, each step's time on stderr."""
    for step in (*steps.AFTER_LANDING, report.generate_report):
        start = time.perf_counter()
        step(connection, BATCH)
        stderr.print(f"    {step.__name__:20} {time.perf_counter() - start:7.2f} s")


def on_slice(login: dict[str, Any], step: str, number: int) -> float:
    """One step for one of two slices, on a core that it shares with its session; CPU seconds."""
    with closing(psycopg2.connect(**login)) as connection:
        both = psutil.Process(), psutil.Process(connection.info.backend_pid)
        pin_to_core(number, *both)
        before = cpu_seconds(*both)
        getattr(steps, step)(connection, BATCH, cut(2)[number])
        return cpu_seconds(*both) - before


def two_slices(connection: "Connection", login: dict[str, Any], pool: "Pool") -> float:
    """As the DAG does for a large batch: slices in parallel; returns the slices' CPU seconds."""
    steps.load_to_raw_zone(connection, BATCH)
    cpu = 0.0
    for name in ("validate", "load_to_clean_zone"):
        cpu += sum(pool.starmap(on_slice, [(login, name, number) for number in range(2)]))
    for step in (steps.load_to_quarantine, steps.mark_processed, report.generate_report):
        step(connection, BATCH)
    return cpu


def limit(connection: "Connection", raw_rows: Path) -> None:
    """The same rows into the same tables by PostgreSQL alone."""
    with connection, connection.cursor() as cursor, raw_rows.open("rb") as file:
        cursor.copy_expert(LOAD_RAW, file, size=1 << 20)
        cursor.execute(LOAD_CLEAN)
        cursor.execute(LOAD_QUARANTINE)


def main(contender: str, login_json: str, rows: int, raw_rows: str = "") -> None:
    """Print what the contender took, as JSON."""
    login = json.loads(login_json)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.map(abs, range(2))  # they have started, and imported this module
        works: dict[str, Callable[[Connection], float | None]] = {
            "ours": ours,
            "two_slices": partial(two_slices, login=login, pool=pool),
            "limit": partial(limit, raw_rows=Path(raw_rows)),
        }
        print(json.dumps({"contender": contender} | measure(login, rows, works[contender])))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])

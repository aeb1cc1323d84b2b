"""The two contenders that every other one is measured by; bench.py runs them.

python ours.py ours LOGIN ROWS
python ours.py limit LOGIN ROWS FILE    # FILE holds the raw rows, the table judged the rest
"""

import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from batch_pipeline import report, steps
from pipeline_console import stderr
from tests.benchmarks.batch.measure import measure

if TYPE_CHECKING:
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
    FROM judged WHERE issues IS NULL"""
LOAD_QUARANTINE = """
    INSERT INTO quarantine_products
        (raw_id, batch_id, source, raw_data, raw_text, issues, rule_version)
    SELECT raw_id, batch_id, source, raw_data, raw_text, issues, rule_version
    FROM judged WHERE issues IS NOT NULL"""


def ours(connection: "Connection") -> None:
    """What the DAG's tasks call, each step's time on stderr."""
    for step in (*steps.AFTER_LANDING, report.generate_report):
        start = time.perf_counter()
        step(connection, BATCH)
        stderr.print(f"    {step.__name__:20} {time.perf_counter() - start:7.2f} s")


def limit(connection: "Connection", raw_rows: Path) -> None:
    """The same rows into the same tables by PostgreSQL alone."""
    with connection, connection.cursor() as cursor, raw_rows.open("rb") as file:
        cursor.copy_expert(LOAD_RAW, file, size=1 << 20)
        cursor.execute(LOAD_CLEAN)
        cursor.execute(LOAD_QUARANTINE)


def main(contender: str, login: str, rows: int, raw_rows: str = "") -> None:
    """Print what the contender took, as JSON."""
    work = partial(limit, raw_rows=Path(raw_rows)) if raw_rows else ours
    print(json.dumps({"contender": contender} | measure(json.loads(login), rows, work)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])

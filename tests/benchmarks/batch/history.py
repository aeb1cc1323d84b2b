"""A year of nights in one database: does a batch's time stay flat, and how big is a product?

python -m tests.benchmarks.batch.history                          # 365 nights of 50,000 products
python -m tests.benchmarks.batch.history --nights 5 --rows 3000

Each night has the same products at other prices, so all rows but the last are superseded. The next
night begins once autovacuum has nothing left to do; it runs every second here, not every minute.

Prints a line for each night, and in the end for each step the median of the last tenth of the
nights against that of the first tenth, without the very first, which meets no product of an earlier
night.
"""

import time
from contextlib import closing
from datetime import date, timedelta
from statistics import median
from typing import Annotated

import psutil
import psycopg2
import typer
from psycopg2.extensions import connection as Connection

from batch_pipeline import batches, report, scraper, steps
from pipeline_common.console import run
from pipeline_common.tables import table
from tests.benchmarks.batch.databases import database
from tests.benchmarks.batch.measure import cpu_seconds
from tests.databases import administrator
from tests.own_stack import stack_of_its_own

FIRST_NIGHT = date(2026, 1, 1)
DUE = """
    SELECT count(*) FROM pg_stat_user_tables JOIN pg_class ON oid = relid
    WHERE n_dead_tup > 50 + 0.2 * greatest(reltuples, 0)"""
SIZE = "SELECT pg_database_size(current_database())"
HEADERS = ["", "first s", "last s", "ratio", "first CPU s", "last CPU s", "ratio of CPU"]
app = typer.Typer(help=__doc__, add_completion=False)

Times = dict[str, tuple[float, float]]  # of each step: seconds, CPU seconds of client and session


def night(connection: Connection, number: int, rows: int) -> Times:
    """One night's batch, landed and loaded; the times from the landed rows to the report."""
    batch_id = f"night-{number}"
    batches.batch_of_run(connection, batch_id, FIRST_NIGHT + timedelta(days=number))
    for vendor in scraper.VENDORS:
        records = scraper.scrape(vendor, rows // len(scraper.VENDORS), seed=number)
        steps.land(connection, batch_id, vendor, records)
    both = psutil.Process(), psutil.Process(connection.info.backend_pid)
    times = {}
    for step in (*steps.AFTER_LANDING, report.generate_report):
        start, cpu = time.perf_counter(), cpu_seconds(*both)
        step(connection, batch_id)
        times[step.__name__] = time.perf_counter() - start, cpu_seconds(*both) - cpu
    times["all"] = sum(wall for wall, _ in times.values()), sum(cpu for _, cpu in times.values())
    return times


def day(connection: Connection) -> None:
    """Wait until autovacuum has nothing to do."""
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")  # or it would hear of the night later
    while count(connection, DUE):
        time.sleep(0.2)


def compared(nights: list[Times]) -> list[list[str]]:
    """For each step the medians of the first and of the last tenth, and their ratio."""
    tenth = max(1, len(nights) // 10)
    lines = []
    for step in nights[0]:
        line = [step]
        for kind in (0, 1):
            first = median(times[step][kind] for times in nights[1 : 1 + tenth])
            last = median(times[step][kind] for times in nights[-tenth:])
            line += [f"{first:.2f}", f"{last:.2f}", f"{last / first:.2f}" if first else "-"]
        lines.append(line)
    return lines


def count(connection: Connection, query: str) -> int:
    """The one number that the query gives."""
    with connection, connection.cursor() as cursor:
        cursor.execute(query)
        return int((cursor.fetchone() or (0,))[0])


@app.command(help=__doc__)
def main(
    nights: Annotated[int, typer.Option(min=2)] = 365,
    rows: Annotated[int, typer.Option(min=3, help="Products of a night.")] = 50_000,
) -> None:
    """Print the seconds of each night, then how they change and the bytes of a product."""
    with (
        stack_of_its_own("bench-history", "my_postgres") as stack,
        database(stack, "bench_history") as login,
        closing(psycopg2.connect(**login)) as connection,
    ):
        with administrator(login) as cursor:
            cursor.execute("ALTER SYSTEM SET autovacuum_naptime = 1")
            cursor.execute("SELECT pg_reload_conf()")
        before, done = count(connection, SIZE), []
        for number in range(nights):
            done.append(night(connection, number, rows))
            seconds, cpu = done[-1]["all"]
            print(f"night {number + 1}: {seconds:.2f} s, {cpu:.2f} s of CPU", flush=True)
            day(connection)
        products = nights * (rows // len(scraper.VENDORS)) * len(scraper.VENDORS)
        print(table(compared(done), HEADERS))
        grown = (count(connection, SIZE) - before) / products
        print(f"bytes of a product and night: {grown:,.0f}")


if __name__ == "__main__":
    run(app)

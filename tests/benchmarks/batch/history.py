"""A year of nights in one database: is the time of a batch flat, and what does a product take?

python -m tests.benchmarks.batch.history                          # 365 nights of 50,000 products
python -m tests.benchmarks.batch.history --nights 5 --rows 3000

Each night brings the same products at other prices, so all rows but the last are superseded.
Prints a line for each night, and in the end the median of the last tenth of the nights against that
of the first tenth, without the very first, which meets no product of an earlier night.
"""

import time
from contextlib import closing
from datetime import date, timedelta
from statistics import median
from typing import Annotated

import psycopg2
import typer
from psycopg2.extensions import connection as Connection

from batch_pipeline import batches, report, scraper, steps
from pipeline_common.console import run
from tests.benchmarks.batch.databases import database
from tests.own_stack import stack_of_its_own

FIRST_NIGHT = date(2026, 1, 1)
app = typer.Typer(help=__doc__, add_completion=False)


def night(connection: Connection, number: int, rows: int) -> float:
    """One night's batch, landed and loaded; seconds from the landed rows to the report."""
    batch_id = f"night-{number}"
    batches.batch_of_run(connection, batch_id, FIRST_NIGHT + timedelta(days=number))
    for vendor in scraper.VENDORS:
        records = scraper.scrape(vendor, rows // len(scraper.VENDORS), seed=number)
        steps.land(connection, batch_id, vendor, records)
    start = time.perf_counter()
    for step in (*steps.AFTER_LANDING, report.generate_report):
        step(connection, batch_id)
    return time.perf_counter() - start


def size(connection: Connection) -> int:
    """Bytes of the whole database."""
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return int((cursor.fetchone() or (0,))[0])


@app.command(help=__doc__)
def main(
    nights: Annotated[int, typer.Option(min=2)] = 365,
    rows: Annotated[int, typer.Option(min=3, help="products of a night")] = 50_000,
) -> None:
    """Print the seconds of each night, then how they change and the bytes of a product."""
    with (
        stack_of_its_own("bench-history", "my_postgres") as stack,
        database(stack, "bench_history") as login,
        closing(psycopg2.connect(**login)) as connection,
    ):
        before, seconds = size(connection), []
        for number in range(nights):
            seconds.append(night(connection, number, rows))
            print(f"night {number + 1}: {seconds[-1]:.2f} s", flush=True)
        products = nights * (rows // len(scraper.VENDORS)) * len(scraper.VENDORS)
        tenth = max(1, nights // 10)
        first, last = median(seconds[1 : 1 + tenth]), median(seconds[-tenth:])
        print(f"first tenth: {first:.2f} s, last: {last:.2f} s a night; ratio {last / first:.2f}")
        print(f"bytes of a product and night: {(size(connection) - before) / products:,.0f}")


if __name__ == "__main__":
    run(app)

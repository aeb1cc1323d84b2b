"""The benchmark's databases: with the project's tables, and products that have landed in them."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import psycopg2

from batch_pipeline import batches, scraper, steps
from local_stack.stack import Stack
from tests.databases import administrator, as_admin, make_database

Login = dict[str, Any]
BATCH = "bench"
LANDED = "bench_landed"  # the template that each contender's database is copied from

# The limit's input, taken from what ours has done, in two halves: it may run in two sessions.
SECOND_HALF = "(raw.id > (SELECT avg(id) FROM raw_products WHERE batch_id = 'bench'))::integer"
RAW_ROWS = f"""
    COPY (SELECT batch_id, source, line_number, ingestion_time, raw_text, raw_data
          FROM raw_products AS raw WHERE batch_id = 'bench' AND {SECOND_HALF} = %s ORDER BY id)
    TO STDOUT"""
VERDICTS = f"""
    COPY (SELECT {SECOND_HALF}, raw.id, raw.batch_id, raw.source, raw.ingestion_time,
                 verdict.rule_version, product_id, name, price, stock, category, rejected.issues,
                 rejected.raw_data, rejected.raw_text
          FROM product_verdicts AS verdict
          JOIN raw_products AS raw ON raw.id = verdict.raw_id
          LEFT JOIN quarantine_products AS rejected ON rejected.raw_id = raw.id
          WHERE raw.batch_id = 'bench') TO STDOUT"""
CREATE_VERDICTS = """
    CREATE TABLE verdicts (half integer, raw_id bigint, batch_id text, source text,
                         ingestion_time timestamptz, rule_version integer,
                         product_id text COLLATE "C", name text, price numeric, stock integer,
                         category text, issues text[], raw_data jsonb, raw_text text)"""


@contextmanager
def database(stack: Stack, name: str, template: str = "template1") -> Iterator[Login]:
    """A database of the benchmark's own, with the project's tables; dropped at the end."""
    login = as_admin(stack.settings.postgres) | {"dbname": name}
    with administrator(login) as cursor:
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        make_database(stack, "my_postgres", name)
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


def fill(login: Login, rows: int) -> None:
    """An earlier batch, whose products are those of the benchmark's at other prices."""
    with closing(psycopg2.connect(**login)) as connection:
        batches.batch_of_run(connection, "earlier", date(2026, 1, 1))
        for vendor in scraper.VENDORS:
            records = scraper.scrape(vendor, rows // 3, seed=2)
            steps.land(connection, "earlier", vendor, records)
        for step in steps.AFTER_LANDING:
            step(connection, "earlier")


def hand_over_to_limit(done: Login, limit_login: Login, folder: Path) -> None:
    """Take the rows that ours has validated as the limit's input; the raw ones go to two files."""
    verdicts = folder / "verdicts"
    with closing(psycopg2.connect(**done)) as connection, connection.cursor() as cursor:
        copies = {folder / f"half_{half}": RAW_ROWS % half for half in range(2)}
        for file, copy in (copies | {verdicts: VERDICTS}).items():
            with file.open("wb") as target:
                cursor.copy_expert(copy, target)
    with (
        closing(psycopg2.connect(**limit_login)) as connection,
        connection,
        connection.cursor() as cursor,
        verdicts.open("rb") as source,
    ):
        cursor.execute(CREATE_VERDICTS)
        cursor.copy_expert("COPY verdicts FROM STDIN", source)
    verdicts.unlink()

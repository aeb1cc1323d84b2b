"""The work of each statement is linear in the size of the batch, whatever statistics there are.

It is not quadratic, and does not grow with earlier batches.

A nested loop over a batch shows up as a node that processed far more rows than the batch has.
"""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection

from batch_pipeline import report, steps
from batch_pipeline.scraper import VENDORS, scrape
from tests.databases import as_admin
from tests.integration.batch.conftest import run_batch
from tests.plans import Plans, explained, nodes, rows_seen

#: What the planner knows, and the sizes of the batch that it then meets. Above 20,000 rows a fresh
#: database was slow: a nested loop over the table that the statement filled.
CASES = [("fresh", 30_000)]
CASES += [(known, rows) for known in ("restored", "analysed", "stale") for rows in (45, 1000, 6000)]
#: Rows that one node of a plan may go through, for each row of the batch and of the zones.
FACTOR = 4
ALLOWANCE = 10_000  # a loop over a few dozen rows is the right plan
LOOPS = 100
NIGHTS = 10  # with these, all rows of a zone are more than those of a night and the allowance


def products(rows: int, seed: int) -> dict[str, Iterator[str]]:
    """`rows` records of three vendors; any two batches have most of their products in common."""
    return {vendor: scrape(vendor, rows // len(VENDORS), seed) for vendor in VENDORS}


def assert_linear(plans: Plans, rows: int) -> None:
    """No node of any statement went through more than a few times `rows`.

    A table that is read again for each row of a batch is refused even if it looks empty: rows that
    the statement itself has inserted are read, too, but not counted.
    """
    assert plans.found
    for plan in plans.found:
        for node in nodes(plan["Plan"]):
            kind, seen, loops = node["Node Type"], rows_seen(node), node["Actual Loops"]
            assert seen <= FACTOR * rows + ALLOWANCE, f"{kind}: {seen:,.0f} rows: {plan}"
            assert kind != "Seq Scan" or loops <= LOOPS, f"{kind}, {loops} times: {plan}"


def execute(connection: Connection, sql: str) -> None:
    with connection, connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.fixture
def quiet_db(pipeline_db: dict[str, Any]) -> dict[str, Any]:
    """A database whose statistics change only when the test wants it."""
    with closing(psycopg2.connect(**as_admin(pipeline_db))) as connection:
        execute(
            connection,
            """DO $$ DECLARE one regclass; BEGIN
               FOR one IN SELECT oid FROM pg_class
                          WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
               LOOP EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = off)', one);
               END LOOP; END $$""",
        )
    return pipeline_db


def prepare(login: dict[str, Any], statistics: str, rows: int) -> None:
    """An earlier batch, and what the planner knows of it: after a restore nothing at all."""
    if statistics == "fresh":
        return
    with (
        closing(psycopg2.connect(**as_admin(login))) as admin,
        closing(psycopg2.connect(**login)) as connection,
    ):
        if statistics == "stale":  # from when there were next to no rows
            execute(admin, "ANALYZE")
        run_batch(connection, "earlier", products(rows, seed=2))
        if statistics == "analysed":
            execute(admin, "ANALYZE")


@pytest.mark.parametrize(("statistics", "rows"), CASES)
def test_no_statement_of_a_batch_is_quadratic(
    quiet_db: dict[str, Any], statistics: str, rows: int
) -> None:
    prepare(quiet_db, statistics, rows)
    connection, plans = explained(quiet_db)
    with closing(connection):
        run_batch(connection, "run", products(rows, seed=1))
        run_batch(connection, "overlap", products(rows, seed=2))
        for step in (*steps.AFTER_LANDING, report.generate_report):  # and once more
            step(connection, "run")
    assert_linear(plans, 4 * rows)


@pytest.mark.parametrize("analysed", [False, True])
def test_no_statement_of_a_batch_goes_through_the_nights_before(
    quiet_db: dict[str, Any], analysed: bool
) -> None:
    rows = 3000
    with closing(psycopg2.connect(**quiet_db)) as connection:
        for night in range(NIGHTS):
            run_batch(connection, f"night-{night}", products(rows, seed=night))
    if analysed:
        with closing(psycopg2.connect(**as_admin(quiet_db))) as admin:
            execute(admin, "ANALYZE")
    connection, plans = explained(quiet_db)
    with closing(connection):
        run_batch(connection, "tonight", products(rows, seed=NIGHTS))
    assert_linear(plans, rows)

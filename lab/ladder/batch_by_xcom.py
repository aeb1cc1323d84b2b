"""The batch as it is often written first: rows go from task to task by XCom, the last one appends.

A DAG file: copy it to dags/ to see it in Airflow. Its tables are in the schema `lab`.

Wrong:  a load that is run again appends again (doubled): after a crash between the commit and
        Airflow's note of it, and when somebody clears the task. A second run of the day leaves the
        first one's rows next to its own, with other prices (wrong). And each XCom is a row of
        Airflow's own database, which grows with every product of every run.
Fails:  kill, clear, again
"""

import json
from typing import TYPE_CHECKING, Any

from airflow.sdk import dag, get_current_context, task
from psycopg2.extras import execute_values

from batch_pipeline import scraper
from batch_pipeline.dag_connection import connected
from batch_pipeline.rules import validate_record

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

TABLES = """
    CREATE TABLE IF NOT EXISTS lab.appended_products
        (product_id text, name text, price numeric, stock int);
    CREATE TABLE IF NOT EXISTS lab.appended_rejections (record text, issues text[]);"""
Rows = dict[str, list[list[Any]]]


def extract(seed: int | str) -> list[str]:
    """Scrape one vendor; of a product that it lists twice, the last record."""
    records = scraper.scrape("tech_store", 15, seed)
    return list(
        {json.loads(record).get("product_id", record): record for record in records}.values()
    )


def validate(records: list[str]) -> Rows:
    """The rows of each table."""
    rows: Rows = {"products": [], "rejections": []}
    for record in records:
        product_id, name, price, stock, _, issues = validate_record(record)
        if issues:
            rows["rejections"].append([record, list(issues)])
        else:
            rows["products"].append([product_id, name, str(price), stock])
    return rows


def append(connection: "Connection", rows: Rows) -> int:
    """Append the rows to both tables, in one transaction."""
    with connection, connection.cursor() as cursor:
        cursor.execute(TABLES)
        for table, values in rows.items():
            execute_values(cursor, f"INSERT INTO lab.appended_{table} VALUES %s", values)  # noqa: S608
    return sum(map(len, rows.values()))


@dag(schedule=None, catchup=False, default_args={"retries": 3})
def batch_by_xcom() -> None:
    """Each task gets what the one before returned."""

    @task
    def extract_products() -> list[str]:
        return extract(get_current_context()["run_id"])

    @task
    def load(rows: Rows) -> int:
        with connected() as connection:
            return append(connection, rows)

    extracted: Any = extract_products()
    validated: Any = task(validate)(extracted)
    load(validated)


batch_by_xcom()

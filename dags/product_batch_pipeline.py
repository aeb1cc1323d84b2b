"""
### Scraped products: raw zone → clean zone or quarantine

Three vendors are scraped, each in a task of its own; every record is kept in `raw_products` as
received, judged by `batch_pipeline/validator.py`, and ends in `clean_products` or
`quarantine_products`. Rows stay in the database: XCom carries the batch id and counts.

Each task can be cleared and run again at any time: it is one transaction that completes or replaces
what an earlier attempt did. If one vendor fails, the run goes on without it, that vendor's
`extract_products` stays red, and the report says what is missing.

To judge an old batch by today's rules, trigger with **reprocess_batch** set: nothing is scraped.
"""

from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

try:
    from airflow.sdk import CronTriggerTimetable, Param, dag, get_current_context, task
    from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

    # run_immediately: switching the DAG on late must not run the 02:00 that was missed.
    WHEN: dict[str, Any] = {
        "schedule": CronTriggerTimetable("0 2 * * *", timezone="UTC", run_immediately=timedelta(0))
    }
    NAMES: dict[str, Any] = {"map_index_template": "{{ vendor }}"}
except ImportError:  # Airflow 2.8
    from airflow.decorators import dag, task  # type: ignore[attr-defined,no-redef]
    from airflow.exceptions import AirflowFailException, AirflowSkipException  # type: ignore[no-redef]
    from airflow.models.param import Param  # type: ignore[import-not-found,no-redef]
    from airflow.operators.python import get_current_context  # type: ignore[import-not-found,no-redef]

    WHEN = {"schedule": "0 2 * * *", "start_date": datetime(2024, 1, 1, tzinfo=timezone.utc)}
    NAMES = {}

import psycopg2

from batch_pipeline import report, scraper, steps

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

Batch = dict[str, Any]  # {"batch_id": …, "rows": …}, all that goes through XCom

VENDORS = list(scraper.VENDORS)

PARAMS = {
    "vendors": Param(
        VENDORS,
        type="array",
        items={"type": "string", "enum": VENDORS},
        examples=VENDORS,
        minItems=1,
        uniqueItems=True,
        description="Vendors to scrape.",
    ),
    "products_per_vendor": Param(
        scraper.PRODUCTS_PER_VENDOR, type="integer", minimum=1, maximum=100_000
    ),
    "seed": Param(
        None,
        type=["null", "integer"],
        minimum=0,
        description="The same seed gives the same products; empty: each run has its own.",
    ),
    "broken_vendor": Param(
        None,
        type=["null", "string"],
        enum=[None, *VENDORS],
        description="Plays a vendor whose site does not answer.",
    ),
    "reprocess_batch": Param(
        None,
        type=["null", "string"],
        description='A batch id to judge again by today\'s rules, or "all"; nothing is scraped.',
    ),
}


def connect() -> "Connection":
    """Open the connection `postgres_default` of Admin → Connections.

    By psycopg2, which the steps are written for: the hook's own get_conn may choose psycopg 3.
    """
    from airflow.providers.postgres.hooks.postgres import PostgresHook  # noqa: PLC0415

    login = PostgresHook.get_connection("postgres_default")
    return psycopg2.connect(
        host=login.host,
        port=login.port,
        user=login.login,
        password=login.password,
        dbname=login.schema,
    )


def for_each(selection: str, step: Callable[["Connection", str], int]) -> Batch:
    """Do a step for the selected batch, or for all; returns the selection and the rows it had."""
    try:
        with closing(connect()) as connection:
            ids = steps.batch_ids(connection, selection)
            return {"batch_id": selection, "rows": sum(step(connection, one) for one in ids)}
    except steps.BatchError as error:  # another attempt would say the same
        raise AirflowFailException(error) from None


@dag(
    **WHEN,
    catchup=False,
    params=PARAMS,
    default_args={
        "retries": 3,
        "retry_delay": timedelta(seconds=3),
        "retry_exponential_backoff": 2,  # 3 s, 6 s, 12 s
        "max_retry_delay": timedelta(minutes=5),
    },
    doc_md=__doc__,
    tags=["batch", "products"],
)
def product_batch_pipeline() -> None:
    @task(execution_timeout=timedelta(minutes=10), **NAMES)
    def extract_products(vendor: str) -> int:
        """Scrape one vendor and land its records in the database."""
        context = get_current_context()
        params, batch_id = context["params"], str(context["run_id"])
        if params["reprocess_batch"] or vendor not in params["vendors"]:
            raise AirflowSkipException(f"{vendor} is not to be scraped in this run")
        seed = batch_id if params["seed"] is None else params["seed"]
        broken = vendor == params["broken_vendor"]
        records = scraper.scrape(vendor, params["products_per_vendor"], seed, broken)
        with closing(connect()) as connection:
            return steps.land(connection, batch_id, vendor, records)

    # all_done: a vendor that failed does not hold up the others.
    @task(trigger_rule="all_done")
    def load_to_raw_zone() -> Batch:
        """Copy what was landed to raw_products, exactly as received."""
        context = get_current_context()
        params = context["params"]
        if params["reprocess_batch"]:
            return for_each(params["reprocess_batch"], steps.load_to_raw_zone)
        return for_each(
            str(context["run_id"]), partial(steps.load_to_raw_zone, expected=params["vendors"])
        )

    @task
    def validate_products(batch: Batch) -> Batch:
        """Judge every raw row; rows = the valid ones."""
        return for_each(batch["batch_id"], steps.validate)

    @task
    def load_to_clean_zone(batch: Batch) -> Batch:
        """Load the valid rows, the newest of each product."""
        return for_each(batch["batch_id"], steps.load_to_clean_zone)

    @task
    def load_to_quarantine(batch: Batch) -> Batch:
        """Load the rejected rows with their reasons."""
        return for_each(batch["batch_id"], steps.load_to_quarantine)

    @task
    def mark_processed(batch: Batch) -> Batch:
        """Mark the raw rows, once each of them is accounted for."""
        return for_each(batch["batch_id"], steps.mark_processed)

    @task
    def generate_report(batch: Batch) -> None:
        """Measure the batch in the database; store and print the quality report."""
        with closing(connect()) as connection:
            for batch_id in steps.batch_ids(connection, batch["batch_id"]):
                print(report.generate_report(connection, batch_id))

    landed: Any = load_to_raw_zone()
    extract_products.expand(vendor=VENDORS) >> landed
    validated: Any = validate_products(landed)
    marked: Any = mark_processed(validated)
    [load_to_clean_zone(validated), load_to_quarantine(validated)] >> marked
    generate_report(marked)


product_batch_pipeline()

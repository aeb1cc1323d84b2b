"""
### Scraped products: raw zone → clean zone or quarantine

Three vendors are scraped, each in a task of its own; every record is kept in `raw_products` as
received, validated by `batch_pipeline/rules.py`, and ends in `clean_products` or
`quarantine_products`. Rows stay in the database: XCom carries the batch id and counts.

Each task can be cleared and run again at any time: it is one transaction that completes or replaces
what an earlier attempt did. If one vendor fails, the run goes on without it, that vendor's
`extract_products` stays red, and the report says what is missing.

To re-validate by today's rules, trigger with **reprocess_batch** (a batch id) or **reprocess_all**:
nothing is scraped.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

try:
    from airflow.sdk import CronTriggerTimetable, Param, dag, get_current_context, task
    from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

    # run_immediately: unpausing a new DAG must not run the 02:00 that was missed. This applies only
    # until the DAG has an automated run (a backfill's counts). From then on, Airflow runs the
    # latest missed night and no other: that is the effect of catchup=False.
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

from batch_pipeline import batches, parameters, report, scraper, slices, steps
from batch_pipeline.dag_connection import EXECUTION_TIMEOUT, connected
from pipeline_common.errors import StackError

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

# All that goes through XCom: which batches, which slice of each ([first, last]), and how many rows.
Work = dict[str, Any]  # {"batch_ids": […], "slice": […], "rows": …}

log = logging.getLogger(__name__)
PARAMS = {name: Param(**field) for name, field in parameters.FORM.items()}


@contextmanager
def database() -> "Iterator[Connection]":
    """A connection for one task; an error that a retry cannot fix fails the task at once."""
    try:
        with connected() as connection:
            yield connection
    except StackError as error:
        raise AirflowFailException(error) from None


def parameters_of_the_run() -> parameters.Parameters:
    """The run's parameters; fails the task if one is unknown or has a value that is not allowed."""
    try:
        return parameters.read_parameters(dict(get_current_context()["params"]))
    except StackError as error:
        raise AirflowFailException(error) from None


def batch_of_this_run() -> str:
    """The id of the batch that this run fills."""
    context = get_current_context()
    run: Any = context["dag_run"]
    due_at = getattr(run, "run_after", run.logical_date)  # Airflow 2.8 has no run_after
    day = (run.logical_date or due_at).date()
    with database() as connection:
        return batches.batch_of_run(
            connection,
            str(run.run_id),
            day,
            due_at=due_at,
            run_started_at=run.start_date,
            cleared=bool(run.clear_number),
        )


def rows_of_each(batch_ids: list[str], step: Callable[["Connection", str], int]) -> list[int]:
    """Do a step for each batch; returns the rows that each had."""
    with database() as connection:
        return [step(connection, batch_id) for batch_id in batch_ids]


def do(work: Work, step: Callable[..., int]) -> Work:
    """Do a step for a slice of each batch."""
    part = slices.Slice(*work["slice"])
    return work | {"rows": sum(rows_of_each(work["batch_ids"], partial(step, part=part)))}


@dag(
    **WHEN,
    catchup=False,
    params=PARAMS,
    default_args={
        "execution_timeout": EXECUTION_TIMEOUT,
        "retries": 3,
        "retry_delay": timedelta(seconds=3),
        "retry_exponential_backoff": 2,  # 3 s, 6 s, 12 s
        "max_retry_delay": timedelta(minutes=5),
    },
    doc_md=__doc__,
    tags=["batch", "products"],
)
def product_batch_pipeline() -> None:
    @task(**NAMES)  # type: ignore[untyped-decorator]
    def extract_products(vendor: str) -> int:
        """Scrape one vendor and land its records in the database."""
        params = parameters_of_the_run()
        if not params.scrapes or vendor not in params.vendors:
            raise AirflowSkipException(f"This run does not scrape {vendor}")
        batch_id = batch_of_this_run()
        seed = batch_id if params.seed is None else params.seed
        broken = vendor == params.broken_vendor
        records = scraper.scrape(vendor, params.products_per_vendor, seed, broken)
        with database() as connection:
            return steps.land(connection, batch_id, vendor, records)

    # all_done: a vendor that failed does not block the others.
    @task(trigger_rule="all_done")
    def load_to_raw_zone() -> list[Work]:
        """Copy what was landed to raw_products, exactly as received; cut large batches in slices.

        Which batches `reprocess_all` means is decided here, once for the whole run.
        """
        params = parameters_of_the_run()
        step: Callable[[Connection, str], int] = steps.load_to_raw_zone
        if params.scrapes:
            batch_ids = [batch_of_this_run()]
            step = partial(steps.load_to_raw_zone, expected=params.vendors)
        elif params.reprocess_batch is not None:
            batch_ids = [params.reprocess_batch]
        else:
            with database() as connection:
                batch_ids = batches.batch_ids(connection)
        rows = rows_of_each(batch_ids, step)
        parts = slices.slices_for(max(rows, default=0))
        return [{"batch_ids": batch_ids, "slice": list(part), "rows": sum(rows)} for part in parts]

    @task
    def validate_products(work: Work) -> Work:
        """Validate every raw row of a slice; rows = the valid ones."""
        return do(work, steps.validate)

    @task
    def load_to_clean_zone(work: Work) -> Work:
        """Load the valid rows of a slice, the newest of each product."""
        return do(work, steps.load_to_clean_zone)

    @task
    def load_to_quarantine(works: list[Work]) -> int:
        """Load the rejected rows with their reasons."""
        return sum(rows_of_each(works[0]["batch_ids"], steps.load_to_quarantine))

    @task
    def mark_processed(works: list[Work]) -> list[str]:
        """Mark the raw rows, once each of them is accounted for."""
        batch_ids: list[str] = works[0]["batch_ids"]
        rows_of_each(batch_ids, steps.mark_processed)
        return batch_ids

    @task
    def generate_report(batch_ids: list[str]) -> None:
        """Measure the batch in the database; store and log the quality report."""
        with database() as connection:
            for batch_id in batch_ids:
                # As one log message: Airflow would show printed lines under "Post Execute".
                log.info("%s", report.generate_report(connection, batch_id))

    landed: Any = load_to_raw_zone()
    extract_products.expand(vendor=list(scraper.VENDORS)) >> landed
    validated: Any = validate_products.expand(work=landed)
    marked: Any = mark_processed(validated)
    [load_to_clean_zone.expand(work=validated), load_to_quarantine(validated)] >> marked
    generate_report(marked)


product_batch_pipeline()

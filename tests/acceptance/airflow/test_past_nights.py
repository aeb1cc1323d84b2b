"""`airflow backfill create` with a real scheduler: past days are scraped, newer rows stay."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone

import httpx
import psycopg2
import pytest
from psycopg2.extensions import connection as Connection

from lab.exercises.exercise import Lab, NotYet
from lab.exercises.page_4 import grade_backfill
from local_stack.stack import Stack
from pipeline_common.settings import DAG_ID
from python_scripts.airflow_api import follow, sign_in, trigger, wait_for_dag
from tests.integration.batch.conftest import rows

RUNS = f"/api/v2/dags/{DAG_ID}/dagRuns"
SECONDS = 600.0
OVERTAKEN = """
    SELECT standing.product_id, standing.batch_id, aside.batch_id
    FROM clean_products AS standing JOIN batches AS its ON its.batch_id = standing.batch_id
    JOIN superseded_products AS aside USING (product_id)
    JOIN batches AS other ON other.batch_id = aside.batch_id
    WHERE other.product_date > its.product_date"""


def runs(web: httpx.Client, run_type: str) -> dict[str, str]:
    """State of all runs of a type, by run id."""
    found = web.get(RUNS, params={"run_type": run_type, "limit": 100}).raise_for_status().json()
    return {run["dag_run_id"]: run["state"] for run in found["dag_runs"]}


@pytest.fixture(scope="module")
def web(airflow: Stack) -> Iterator[httpx.Client]:
    with closing(sign_in(airflow.settings)) as client:
        wait_for_dag(client, DAG_ID)
        yield client


@pytest.fixture(scope="module")
def newest_night() -> datetime:
    """The last 02:00 before the test began."""
    now = datetime.now(timezone.utc)
    return (now - timedelta(hours=2)).replace(hour=2, minute=0, second=0, microsecond=0)


@pytest.fixture(scope="module")
def backfilled(airflow: Stack, web: httpx.Client, newest_night: datetime) -> set[str]:
    """Runs of two past nights, after a run of today; their ids."""
    list(follow(web, DAG_ID, trigger(web, DAG_ID, {"seed": 1}), seconds=SECONDS))
    first, last = newest_night - timedelta(days=5), newest_night - timedelta(days=4)
    dates = ["--from-date", first.isoformat(), "--to-date", last.isoformat()]
    subprocess.run(
        ["airflow", "backfill", "create", "--dag-id", DAG_ID, *dates],
        env=os.environ | airflow.services["airflow_scheduler"].environment,
        check=True,
        capture_output=True,
    )
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found = runs(web, "backfill")
        if len(found) == 2 and set(found.values()) == {"success"}:
            break
        time.sleep(1)
    assert set(found.values()) == {"success"}, found
    return set(found)


@pytest.fixture
def connection(airflow: Stack) -> Iterator[Connection]:
    with closing(psycopg2.connect(**airflow.settings.postgres)) as connection:
        yield connection


def test_each_batch_has_the_day_that_was_asked_for(
    backfilled: set[str], connection: Connection, newest_night: datetime
) -> None:
    days = "SELECT batch_id, product_date FROM batches"
    found = {day for batch_id, day in rows(connection, days) if batch_id in backfilled}
    assert found == {(newest_night - timedelta(days=back)).date() for back in (5, 4)}


def test_the_exercise_finds_the_runs_and_that_they_are_no_week(
    airflow: Stack, backfilled: set[str]
) -> None:
    assert backfilled
    with pytest.raises(NotYet, match="not seven in a row"):
        grade_backfill(Lab(airflow.settings))


def test_no_past_day_overtook_a_newer_one(backfilled: set[str], connection: Connection) -> None:
    assert backfilled
    assert rows(connection, OVERTAKEN) == []


def test_of_the_missed_nights_at_most_the_newest_is_made_up_for(
    backfilled: set[str], web: httpx.Client, newest_night: datetime
) -> None:
    """After an automated run, such as a backfill's, catchup=False means: the latest missed one."""
    assert backfilled
    found = web.get(RUNS, params={"run_type": "scheduled"}).raise_for_status().json()["dag_runs"]
    nights = [datetime.fromisoformat(run["logical_date"]) for run in found]
    assert all(night >= newest_night for night in nights), nights

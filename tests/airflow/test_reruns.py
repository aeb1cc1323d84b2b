"""Runs of the DAG that go wrong or come again, by Airflow's scheduler, on its real database."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import psycopg2
import pytest
from psycopg2.extensions import connection as Connection

from local_stack.stack import Stack
from pipeline_console import StackError
from python_scripts.airflow_api import follow, sign_in, trigger, wait_for_dag
from tests.batch.conftest import ledger, places, rows

DAG_ID = "product_batch_pipeline"
RUNS = f"/api/v2/dags/{DAG_ID}/dagRuns"
VENDOR = "tech_store"
REFUSE = f"""
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE 'refused by the test'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON landing_products
        FOR EACH ROW WHEN (NEW.source = '{VENDOR}') EXECUTE FUNCTION refuse()"""


@pytest.fixture(scope="module")
def web(airflow: Stack) -> Iterator[httpx.Client]:
    """A client that is logged in to the stack's Airflow, which knows the DAG."""
    with closing(sign_in(airflow.settings)) as client:
        wait_for_dag(client, DAG_ID)
        yield client


@pytest.fixture
def connection(airflow: Stack) -> Iterator[Connection]:
    """A connection to the pipeline_db that the DAG works on."""
    with closing(psycopg2.connect(**airflow.settings.postgres)) as connection:
        yield connection


def run_dag(web: httpx.Client, **params: object) -> tuple[str, list[tuple[str, str]]]:
    """One run to its good end: its id, and the tasks with their states."""
    run_id = trigger(web, DAG_ID, params)
    return run_id, list(follow(web, DAG_ID, run_id))


def attempts(web: httpx.Client, run_id: str, task: str) -> dict[int, tuple[str, int]]:
    """State and number of attempts of a task's instances, by map index."""
    found = web.get(f"{RUNS}/{run_id}/taskInstances").raise_for_status().json()["task_instances"]
    return {t["map_index"]: (t["state"], t["try_number"]) for t in found if t["task_id"] == task}


def execute(connection: Connection, sql: str) -> None:
    with connection, connection.cursor() as cursor:
        cursor.execute(sql)


def batch_report(connection: Connection, run_id: str) -> dict[str, Any]:
    columns = "received, missing_sources, report"
    query = f"SELECT {columns} FROM batch_reports WHERE batch_id = %(batch_id)s"
    return dict(zip(columns.split(", "), rows(connection, query, run_id)[0], strict=True))


def test_a_vendor_that_failed_is_cleared_and_the_run_becomes_whole(
    web: httpx.Client, connection: Connection
) -> None:
    execute(connection, REFUSE)
    run_id, states = run_dag(web, seed=3)
    execute(connection, "DROP TRIGGER refuse ON landing_products; DROP FUNCTION refuse")
    assert ("extract_products", "failed") in states
    tried = attempts(web, run_id, "extract_products")
    assert sorted(tried.values()) == [("failed", 4), ("success", 1), ("success", 1)]
    (failed,) = (index for index, (state, _) in tried.items() if state == "failed")
    report = batch_report(connection, run_id)
    assert (report["received"], report["missing_sources"]) == (30, [VENDOR])
    assert f"MISSING, could not be scraped: {VENDOR}" in report["report"]
    before = places(connection, run_id)

    clear = {"dag_run_id": run_id, "task_ids": [["extract_products", failed]]}
    whole = {"include_downstream": True, "only_failed": False, "dry_run": False}
    web.post(f"/api/v2/dags/{DAG_ID}/clearTaskInstances", json=clear | whole).raise_for_status()
    assert set(follow(web, DAG_ID, run_id)) >= {("generate_report", "success")}
    report = batch_report(connection, run_id)
    assert (report["received"], report["missing_sources"]) == (45, [])
    after = places(connection, run_id)
    assert len(after) == ledger(connection, run_id).received == 45
    assert before.items() <= after.items()


def test_a_batch_is_judged_again_by_the_dag_and_nothing_is_scraped(
    web: httpx.Client, connection: Connection
) -> None:
    run_id, _ = run_dag(web, products_per_vendor=5)
    before = places(connection, run_id)
    again, states = run_dag(web, reprocess_batch=run_id)
    assert ("extract_products", "skipped") in states
    assert set(attempts(web, again, "extract_products").values()) == {("skipped", 1)}
    assert places(connection, run_id) == before
    assert ledger(connection, again).received == 0
    reports = "SELECT count(*) FROM batch_reports WHERE batch_id = %(batch_id)s"
    assert rows(connection, reports, run_id) == [(1,)]
    assert rows(connection, reports, again) == [(0,)]


def test_two_runs_at_once_lose_and_double_nothing(
    web: httpx.Client, connection: Connection
) -> None:
    run_ids = [trigger(web, DAG_ID, {"seed": 9}) for _ in range(2)]
    for run_id in run_ids:
        list(follow(web, DAG_ID, run_id))
    found = [places(connection, run_id) for run_id in run_ids]
    assert [len(one) for one in found] == [45, 45]
    rejected = [
        {row: place for row, place in one.items() if place not in ("clean", "superseded")}
        for one in found
    ]
    assert rejected[0] == rejected[1]


def test_an_unknown_batch_fails_at_once_and_is_not_tried_again(
    web: httpx.Client, airflow: Stack
) -> None:
    run_id = trigger(web, DAG_ID, {"reprocess_batch": "nonsense"})
    with pytest.raises(StackError, match="failed"):
        list(follow(web, DAG_ID, run_id))
    assert attempts(web, run_id, "load_to_raw_zone") == {-1: ("failed", 1)}
    logs = f"{RUNS}/{run_id}/taskInstances/load_to_raw_zone/logs/1"
    assert "there is no such batch" in web.get(logs).raise_for_status().text


@pytest.mark.parametrize(
    "params",
    [
        {"products_per_vendor": 0},
        {"products_per_vendor": 100_001},
        {"vendors": []},
        {"vendors": ["nobody"]},
        {"vendors": [VENDOR, VENDOR]},
        {"seed": -1},
        {"broken_vendor": "nobody"},
    ],
    ids=str,
)
def test_a_parameter_outside_its_limits_is_refused(
    web: httpx.Client, params: dict[str, object]
) -> None:
    answer = web.post(RUNS, json={"logical_date": None, "conf": params})
    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert next(iter(params)) in answer.text

"""Runs of the DAG that fail, are retried, cleared or deleted, with Airflow's real scheduler."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import psycopg2
import pytest
from psycopg2.extensions import connection as Connection

from batch_pipeline.parameters import HIGHEST_SEED, MOST_PRODUCTS
from batch_pipeline.slices import FIRST_CUT
from lab.exercises.exercise import Lab, NotYet
from lab.exercises.page_4 import (
    grade_late_vendor,
    grade_loaded_again,
    grade_same_seed,
    grade_vendor_away,
)
from local_stack.stack import Stack
from pipeline_common.errors import StackError
from pipeline_common.settings import DAG_ID
from python_scripts.airflow_api import follow, sign_in, trigger, wait_for_dag
from tests.databases import as_admin
from tests.integration.batch.conftest import ledger, places, rows

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
    """A connection to the pipeline_db that the DAG uses."""
    with closing(psycopg2.connect(**airflow.settings.postgres)) as connection:
        yield connection


def run_dag(web: httpx.Client, **params: object) -> tuple[str, list[tuple[str, str]]]:
    """One successful run: its id, and the tasks with their states."""
    run_id = trigger(web, DAG_ID, params)
    return run_id, list(follow(web, DAG_ID, run_id))


def attempts(web: httpx.Client, run_id: str, task: str) -> dict[int, tuple[str, int]]:
    """State and number of attempts of a task's instances, by map index."""
    found = web.get(f"{RUNS}/{run_id}/taskInstances").raise_for_status().json()["task_instances"]
    return {t["map_index"]: (t["state"], t["try_number"]) for t in found if t["task_id"] == task}


def execute(stack: Stack, sql: str) -> None:
    """Change something in pipeline_db, as its superuser."""
    with closing(psycopg2.connect(**as_admin(stack.settings.postgres))) as connection, connection:
        connection.cursor().execute(sql)


def batch_report(connection: Connection, run_id: str) -> dict[str, Any]:
    columns = "received, missing_sources, report"
    query = f"SELECT {columns} FROM batch_reports WHERE batch_id = %(batch_id)s"
    return dict(zip(columns.split(", "), rows(connection, query, run_id)[0], strict=True))


def test_a_vendor_that_failed_is_cleared_and_the_run_becomes_whole(
    airflow: Stack, web: httpx.Client, connection: Connection
) -> None:
    execute(airflow, REFUSE)
    run_id, states = run_dag(web, seed=3)
    execute(airflow, "DROP TRIGGER refuse ON landing_products; DROP FUNCTION refuse")
    assert ("extract_products", "failed") in states
    tried = attempts(web, run_id, "extract_products")
    assert sorted(tried.values()) == [("failed", 4), ("success", 1), ("success", 1)]
    (failed,) = (index for index, (state, _) in tried.items() if state == "failed")
    report = batch_report(connection, run_id)
    assert (report["received"], report["missing_sources"]) == (30, [VENDOR])
    assert f"MISSING, could not be scraped: {VENDOR}" in report["report"]
    before = places(connection, run_id)
    with pytest.raises(NotYet, match="No run after that one has the vendor"):
        grade_vendor_away(Lab(airflow.settings))

    clear = {"dag_run_id": run_id, "task_ids": [["extract_products", failed]]}
    whole = {"include_downstream": True, "only_failed": False, "dry_run": False}
    web.post(f"/api/v2/dags/{DAG_ID}/clearTaskInstances", json=clear | whole).raise_for_status()
    assert set(follow(web, DAG_ID, run_id)) >= {("generate_report", "success")}
    report = batch_report(connection, run_id)
    assert (report["received"], report["missing_sources"]) == (45, [])
    after = places(connection, run_id)
    assert len(after) == ledger(connection, run_id).received == 45
    assert before.items() <= after.items()
    grade_late_vendor(Lab(airflow.settings))
    grade_loaded_again(Lab(airflow.settings))


def test_a_batch_is_re_validated_by_the_dag_and_nothing_is_scraped(
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


def test_a_run_with_the_id_of_a_deleted_one_keeps_off_its_batch_even_if_it_is_cleared(
    web: httpx.Client, connection: Connection
) -> None:
    """Cleared before any of its tasks began: Airflow paused, the run marked as failed."""
    run = {"dag_run_id": "twice", "logical_date": None, "conf": {"products_per_vendor": 5}}
    for _ in range(2):
        web.patch(f"/api/v2/dags/{DAG_ID}", json={"is_paused": True}).raise_for_status()
        web.post(RUNS, json=run).raise_for_status()
        web.patch(f"{RUNS}/twice", json={"state": "failed"}).raise_for_status()
        again = {"dry_run": False, "only_failed": False}
        web.post(f"{RUNS}/twice/clear", json=again).raise_for_status()
        web.patch(f"/api/v2/dags/{DAG_ID}", json={"is_paused": False}).raise_for_status()
        assert set(follow(web, DAG_ID, "twice")) >= {("generate_report", "success")}
        web.delete(f"{RUNS}/twice").raise_for_status()
    for batch_id in ("twice", "twice#2"):
        assert ledger(connection, batch_id).received == 15
        assert ledger(connection, batch_id).adds_up


def test_two_runs_at_once_lose_and_double_nothing(
    airflow: Stack, web: httpx.Client, connection: Connection
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
    grade_same_seed(Lab(airflow.settings))


def test_a_large_batch_is_worked_on_in_slices(web: httpx.Client, connection: Connection) -> None:
    run_id, states = run_dag(web, products_per_vendor=FIRST_CUT // 3)
    assert {state for _, state in states} == {"success"}
    for task in ("validate_products", "load_to_clean_zone"):
        assert attempts(web, run_id, task).keys() == {0, 1}
    assert ledger(connection, run_id).received == FIRST_CUT
    assert ledger(connection, run_id).adds_up


def test_an_unknown_batch_fails_at_once_and_is_not_tried_again(
    web: httpx.Client, airflow: Stack
) -> None:
    run_id = trigger(web, DAG_ID, {"reprocess_batch": "nonsense"})
    with pytest.raises(StackError, match="failed"):
        list(follow(web, DAG_ID, run_id))
    assert attempts(web, run_id, "load_to_raw_zone") == {-1: ("failed", 1)}
    logs = f"{RUNS}/{run_id}/taskInstances/load_to_raw_zone/logs/1"
    assert "there is no such batch" in web.get(logs).raise_for_status().text


def test_an_unknown_parameter_fails_at_once_and_is_not_tried_again(
    web: httpx.Client, connection: Connection
) -> None:
    run_id = trigger(web, DAG_ID, {"colour": "red"})
    with pytest.raises(StackError, match="failed"):
        list(follow(web, DAG_ID, run_id))
    assert set(attempts(web, run_id, "extract_products").values()) == {("failed", 1)}
    logs = f"{RUNS}/{run_id}/taskInstances/load_to_raw_zone/logs/1"
    assert "There is no parameter 'colour'" in web.get(logs).raise_for_status().text
    assert ledger(connection, run_id).received == 0


def test_what_the_api_refuses_is_a_sentence(web: httpx.Client) -> None:
    """HTTP 400, a DAG that does not exist, and a response that never arrives."""
    with pytest.raises(StackError, match=r"Airflow refuses POST .*seed.* \(HTTP 4..\)$"):
        trigger(web, DAG_ID, {"seed": -1})
    with pytest.raises(StackError, match=r"Airflow refuses PATCH .* \(HTTP 404\)$"):
        trigger(web, "nothing")
    with (
        closing(httpx.Client(base_url="http://localhost:1")) as nobody,
        pytest.raises(StackError, match=r"no longer answers.*make status"),
    ):
        list(follow(nobody, DAG_ID, "manual"))


def test_the_report_is_one_message_of_the_log(web: httpx.Client, connection: Connection) -> None:
    run_id, _ = run_dag(web, products_per_vendor=5)
    logs = f"{RUNS}/{run_id}/taskInstances/generate_report/logs/1"
    lines = web.get(logs, headers={"Accept": "application/json"}).raise_for_status().json()
    messages = [line["event"] for line in lines["content"]]
    assert batch_report(connection, run_id)["report"] in messages


@pytest.mark.parametrize(
    "params",
    [
        {"products_per_vendor": 0},
        {"products_per_vendor": MOST_PRODUCTS + 1},
        {"vendors": []},
        {"vendors": ["nobody"]},
        {"vendors": [VENDOR, VENDOR]},
        {"seed": -1},
        {"seed": HIGHEST_SEED + 1},
        {"reprocess_batch": ""},
        {"reprocess_batch": "x" * 10_240},
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

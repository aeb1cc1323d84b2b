"""The incidents in Airflow: caused, answered, repaired and undone through its REST API."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import httpx
import psycopg2
import pytest

from lab import incident as script
from lab.incidents.catalog import INCIDENTS
from lab.incidents.incident import Memory
from lab.incidents.scheduling import CONNECTION, DAG, connect_to, is_paused, pause
from local_stack.stack import Stack
from pipeline_common.settings import DAG_ID
from python_scripts.airflow_api import follow, sign_in, wait_for_dag
from tests.faults.test_incidents import refused, seed_of, start

WAIT_SECONDS = 180


@pytest.fixture(scope="module")
def web(airflow: Stack) -> Iterator[httpx.Client]:
    """A client of the stack's Airflow, which the incidents find by their settings."""
    with (
        closing(sign_in(airflow.settings)) as client,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in airflow.environment.items():
            patch.setenv(name, value)
        wait_for_dag(client, DAG_ID)
        yield client


@pytest.fixture(autouse=True)
def state_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the incident is recorded; not the user's own file."""
    monkeypatch.setattr(script, "STATE", tmp_path / "state")
    return script.STATE


def states(web: httpx.Client, memory: Memory) -> set[str]:
    """The states that the run's tasks are in."""
    answer = web.get(f"{DAG}/dagRuns/{memory['run_id']}/taskInstances").raise_for_status()
    return {str(each["state"]) for each in answer.json()["task_instances"]}


def nothing_runs(web: httpx.Client, memory: Memory) -> None:
    run = web.get(f"{DAG}/dagRuns/{memory['run_id']}").raise_for_status().json()
    assert run["state"] == "queued"
    assert is_paused(web)


def tasks_are_tried_again(web: httpx.Client, memory: Memory) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while "up_for_retry" not in states(web, memory):
        assert time.monotonic() < deadline, states(web, memory)
        time.sleep(0.2)


def switch_on(web: httpx.Client, _memory: Memory) -> None:
    pause(web, False)


def correct(web: httpx.Client, memory: Memory) -> None:
    """In time for the next attempt of each task."""
    connect_to(web, memory["right"])


class Case(NamedTuple):
    """The field with the evidence, what shows the fault, and what repairs it."""

    evidence: str
    shows: Callable[[httpx.Client, Memory], None]
    repair: Callable[[httpx.Client, Memory], None]


CASES = {
    "dag-paused": Case("run_id", nothing_runs, switch_on),
    "connection-wrong": Case("database", tasks_are_tried_again, correct),
}


@pytest.mark.parametrize("cause", CASES)
def test_only_a_repair_closes(cause: str, web: httpx.Client, airflow: Stack) -> None:
    evidence, shows, repair = CASES[cause]
    before = is_paused(web)
    _, memory = start(cause)
    try:
        shows(web, memory)
        assert "It is not dag-broken" in refused(script.answer, "dag-broken", memory[evidence])
        assert "the evidence is not" in refused(script.answer, cause, "pipeline_db")
        script.answer(cause, memory[evidence])
        assert "Not yet. The run" in refused(script.check)
        repair(web, memory)
        list(follow(web, DAG_ID, memory["run_id"]))
        script.check()
    finally:
        INCIDENTS[cause].put_back(airflow.settings, memory)
    assert is_paused(web) == before


@pytest.mark.parametrize("cause", CASES)
def test_giving_up_leaves_nothing(cause: str, web: httpx.Client) -> None:
    had = web.get(CONNECTION).raise_for_status().json(), is_paused(web)
    _, memory = start(cause)
    script.give_up()
    assert (web.get(CONNECTION).raise_for_status().json(), is_paused(web)) == had
    assert web.get(f"{DAG}/dagRuns/{memory['run_id']}").status_code == httpx.codes.NOT_FOUND


def test_giving_up_takes_the_batch_of_a_run_that_got_through(
    web: httpx.Client, airflow: Stack
) -> None:
    _, memory = start("dag-paused")
    pause(web, False)
    list(follow(web, DAG_ID, memory["run_id"]))
    batches = "SELECT count(*) FROM batches WHERE batch_id = %s"
    with closing(psycopg2.connect(**airflow.settings.postgres)) as connection, connection:
        cursor = connection.cursor()
        cursor.execute(batches, [memory["run_id"]])
        assert cursor.fetchall() == [(1,)]
    script.give_up()
    with closing(psycopg2.connect(**airflow.settings.postgres)) as connection, connection:
        cursor = connection.cursor()
        cursor.execute(batches, [memory["run_id"]])
        assert cursor.fetchall() == [(0,)]


def test_without_airflow_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_PORT", "1")
    assert "Is the stack up" in refused(script.start, seed_of("dag-paused"))

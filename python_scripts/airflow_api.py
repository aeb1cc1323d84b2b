"""The few calls of Airflow's REST API that the demo and the tests make: trigger, follow."""

import time
from collections.abc import Iterator
from typing import Any

import httpx

from pipeline_console import StackError
from pipeline_settings import Settings

#: States in which a task instance will not change any more by itself.
ENDED = {"success", "failed", "skipped", "upstream_failed", "removed"}


def sign_in(settings: Settings) -> httpx.Client:
    """A client that is logged in; raises StackError when Airflow refuses or does not answer."""
    client = httpx.Client(base_url=settings.airflow_url, timeout=30)
    login = {"username": settings.airflow_user, "password": settings.airflow_password}
    try:
        answer = client.post("/auth/token", json=login)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise StackError(f"Airflow at {settings.airflow_url} lets nobody in: {error}") from error
    client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return client


def wait_for_dag(airflow: httpx.Client, dag_id: str, seconds: float = 120) -> None:
    """Wait until the dag-processor has read the DAG; raises StackError with its import errors."""
    deadline = time.monotonic() + seconds
    while airflow.get(f"/api/v2/dags/{dag_id}").status_code == httpx.codes.NOT_FOUND:
        if time.monotonic() > deadline:
            errors = airflow.get("/api/v2/importErrors").json()["import_errors"]
            told = "; ".join(error["stack_trace"].strip().splitlines()[-1] for error in errors)
            raise StackError(f"Airflow does not list {dag_id}: {told or 'no import error'}")
        time.sleep(0.5)


def trigger(airflow: httpx.Client, dag_id: str, conf: dict[str, Any] | None = None) -> str:
    """Switch the DAG on and start a run; its id."""
    dag = f"/api/v2/dags/{dag_id}"
    airflow.patch(dag, json={"is_paused": False}).raise_for_status()
    answer = airflow.post(f"{dag}/dagRuns", json={"logical_date": None, "conf": conf or {}})
    answer.raise_for_status()
    return str(answer.json()["dag_run_id"])


def follow(
    airflow: httpx.Client, dag_id: str, run_id: str, seconds: float = 300
) -> Iterator[tuple[str, str]]:
    """Yield (task, state) each time a task instance ends, until the run has ended.

    A mapped task comes once for each of its instances. Raises StackError if the run fails or takes
    longer than `seconds`.
    """
    run = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}"
    told: set[tuple[str, int]] = set()
    deadline = time.monotonic() + seconds
    while True:
        state = airflow.get(run).raise_for_status().json()["state"]
        tasks = airflow.get(f"{run}/taskInstances").raise_for_status().json()["task_instances"]
        for task in sorted(tasks, key=lambda t: t["end_date"] or ""):
            key = (task["task_id"], task["map_index"])
            if task["state"] in ENDED and key not in told:
                told.add(key)
                yield task["task_id"], task["state"]
        if state == "success":
            return
        if state == "failed" or time.monotonic() > deadline:
            raise StackError(f"The run {run_id} of {dag_id} is {state}; its logs are in the UI.")
        time.sleep(0.5)

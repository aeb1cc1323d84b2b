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
    url, user = settings.airflow_url, settings.airflow_user
    client = httpx.Client(base_url=url, timeout=30)
    login = {"username": user, "password": settings.airflow_password}
    try:
        answer = client.post("/auth/token", json=login)
        answer.raise_for_status()
    except httpx.HTTPStatusError as error:
        code = error.response.status_code
        raise StackError(
            f"Airflow at {url} refuses the login {user} (HTTP {code}). "
            "AIRFLOW_USER and AIRFLOW_PASSWORD in .env have to be those that it was started with."
        ) from error
    except httpx.HTTPError as error:
        raise StackError(
            f"Airflow does not answer at {url}: {error}. Is the stack up? make status"
        ) from error
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
    """Yield (task, state) each time a task ends, until the run has ended.

    A mapped task has ended when each of its instances has; its state is the first that is not
    "success". Raises StackError if the run fails or takes longer than `seconds`.
    """
    run = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}"
    told: set[str] = set()
    deadline = time.monotonic() + seconds
    while True:
        state = airflow.get(run).raise_for_status().json()["state"]
        for task, states in _states_by_task(airflow, run).items():
            if task not in told and ENDED.issuperset(states):
                told.add(task)
                yield task, next((s for s in states if s != "success"), "success")
        if state == "success":
            return
        if state == "failed" or time.monotonic() > deadline:
            page = f"{str(airflow.base_url).rstrip('/')}/dags/{dag_id}/runs/{run_id}"
            raise StackError(f"The run of {dag_id} is {state}. Its tasks' logs are at {page}")
        time.sleep(0.5)


def _states_by_task(airflow: httpx.Client, run: str) -> dict[str, list[str]]:
    instances = airflow.get(f"{run}/taskInstances").raise_for_status().json()["task_instances"]
    states: dict[str, list[str]] = {}
    for instance in sorted(instances, key=lambda i: i["end_date"] or ""):
        states.setdefault(instance["task_id"], []).append(instance["state"])
    return states

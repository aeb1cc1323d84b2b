"""The few calls of Airflow's REST API that scripts and tests make: trigger a run, follow it."""

import time
from collections.abc import Iterator
from typing import Any

import httpx

from pipeline_common.errors import StackError
from pipeline_common.settings import Settings

#: States in which a task instance stays until it is cleared.
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
            "AIRFLOW_USER and AIRFLOW_PASSWORD in .env must be the ones it was started with."
        ) from error
    except httpx.HTTPError as error:
        raise StackError(
            f"Airflow does not answer at {url}: {error}. Is the stack up? make status"
        ) from error
    client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return client


def ask(airflow: httpx.Client, method: str, path: str, **request: Any) -> httpx.Response:
    """Airflow's answer; raises StackError if Airflow refuses or does not answer."""
    try:
        answer = airflow.request(method, path, **request)
    except httpx.HTTPError as error:
        raise StackError(
            f"Airflow at {airflow.base_url} no longer answers: {error}. Is the stack up? "
            "make status"
        ) from error
    if answer.is_error:
        raise StackError(f"Airflow refuses {method} {path}: {_detail(answer)}")
    return answer


def wait_for_dag(airflow: httpx.Client, dag_id: str, seconds: float = 120) -> None:
    """Wait until the dag-processor has read the DAG; raises StackError with its import errors."""
    deadline = time.monotonic() + seconds
    while airflow.get(f"/api/v2/dags/{dag_id}").status_code == httpx.codes.NOT_FOUND:
        if time.monotonic() > deadline:
            errors = airflow.get("/api/v2/importErrors").json()["import_errors"]
            reasons = "; ".join(error["stack_trace"].strip().splitlines()[-1] for error in errors)
            raise StackError(f"Airflow does not list {dag_id}: {reasons or 'no import error'}")
        time.sleep(0.5)


def trigger(airflow: httpx.Client, dag_id: str, conf: dict[str, Any] | None = None) -> str:
    """Switch the DAG on and start a run; its id."""
    dag = f"/api/v2/dags/{dag_id}"
    ask(airflow, "PATCH", dag, json={"is_paused": False})
    run = ask(airflow, "POST", f"{dag}/dagRuns", json={"logical_date": None, "conf": conf or {}})
    return str(run.json()["dag_run_id"])


def _detail(answer: httpx.Response) -> str:
    """What Airflow says is wrong, in one line."""
    status = f"HTTP {answer.status_code}"
    try:
        return f"{' '.join(str(answer.json()['detail']).split())[:500]} ({status})"
    except (ValueError, KeyError, TypeError):
        return status


def follow(
    airflow: httpx.Client, dag_id: str, run_id: str, seconds: float = 300
) -> Iterator[tuple[str, str]]:
    """Yield (task, state) each time a task ends, until the run has ended.

    A mapped task has ended when each of its instances has; its state is the first that is not
    "success". Raises StackError if the run fails or takes longer than `seconds`.
    """
    run = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}"
    reported: set[str] = set()
    deadline = time.monotonic() + seconds
    while True:
        state = ask(airflow, "GET", run).json()["state"]
        for task, states in _states_by_task(airflow, run).items():
            if task not in reported and ENDED.issuperset(states):
                reported.add(task)
                yield task, next((s for s in states if s != "success"), "success")
        if state == "success":
            return
        if state == "failed" or time.monotonic() > deadline:
            page = f"{str(airflow.base_url).rstrip('/')}/dags/{dag_id}/runs/{run_id}"
            raise StackError(f"The run of {dag_id} is {state}. Its tasks' logs are at {page}")
        time.sleep(0.5)


def _states_by_task(airflow: httpx.Client, run: str) -> dict[str, list[str]]:
    instances = ask(airflow, "GET", f"{run}/taskInstances").json()["task_instances"]
    states: dict[str, list[str]] = {}
    for instance in sorted(instances, key=lambda i: i["end_date"] or ""):
        states.setdefault(instance["task_id"], []).append(instance["state"])
    return states

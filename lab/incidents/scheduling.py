"""Airflow as somebody left it: a DAG that is paused, a connection to the wrong database."""

import random
from contextlib import closing
from datetime import datetime, timezone
from typing import Any

import httpx

from lab.incidents.batches import not_loaded, remove_batch
from lab.incidents.incident import Incident, Memory, Note, noted
from pipeline_common.settings import DAG_ID, Settings
from python_scripts.airflow_api import sign_in, wait_for_dag

DAG = f"/api/v2/dags/{DAG_ID}"
CONNECTION = "/api/v2/connections/postgres_default"
PARAMETERS = {"products_per_vendor": 5}
WRONG_DATABASES = ["pipeline", "pipeline_dev", "pipeline_db_old", "pipeline_test"]


def is_paused(airflow: httpx.Client) -> bool:
    """Whether the DAG is switched off."""
    return bool(airflow.get(DAG).raise_for_status().json()["is_paused"])


def pause(airflow: httpx.Client, paused: bool) -> None:
    """Switch the DAG off or on."""
    airflow.patch(DAG, json={"is_paused": paused}).raise_for_status()


def scheduled_runs(airflow: httpx.Client) -> list[str]:
    """The ids of the newest runs that nobody asked for: one for each night."""
    asked: dict[str, str | int] = {"run_type": "scheduled", "order_by": "-run_after", "limit": 100}
    answer = airflow.get(f"{DAG}/dagRuns", params=asked).raise_for_status()
    return [str(run["dag_run_id"]) for run in answer.json()["dag_runs"]]


def new_run(airflow: httpx.Client, note: Note) -> None:
    """Ask for a run, whose id is noted before."""
    run_id = f"manual__{datetime.now(timezone.utc).isoformat()}"
    note(run_id=run_id)
    body = {"dag_run_id": run_id, "logical_date": None, "conf": PARAMETERS}
    airflow.post(f"{DAG}/dagRuns", json=body).raise_for_status()


def database_of(airflow: httpx.Client) -> str:
    """The database that the connection of the DAG leads to."""
    return str(airflow.get(CONNECTION).raise_for_status().json()["schema"])


def connect_to(airflow: httpx.Client, database: str) -> None:
    """Let the connection of the DAG lead to another database."""
    had: dict[str, Any] = airflow.get(CONNECTION).raise_for_status().json()
    body = {"connection_id": had["connection_id"], "conn_type": had["conn_type"]}
    answer = airflow.patch(
        CONNECTION, json=body | {"schema": database}, params={"update_mask": "schema"}
    )
    answer.raise_for_status()


def paused_dag(settings: Settings, _chance: random.Random, note: Note) -> None:
    """The DAG is paused; a run that was asked for waits."""
    with closing(sign_in(settings)) as airflow:
        wait_for_dag(airflow, DAG_ID)
        note(was_paused=is_paused(airflow), scheduled=scheduled_runs(airflow))
        pause(airflow, True)
        new_run(airflow, note)


def wrong_connection(settings: Settings, chance: random.Random, note: Note) -> None:
    """The connection leads to a database that is not there; a run begins."""
    database = chance.choice(WRONG_DATABASES)
    with closing(sign_in(settings)) as airflow:
        wait_for_dag(airflow, DAG_ID)
        note(was_paused=is_paused(airflow), scheduled=scheduled_runs(airflow))
        note(database=database, right=database_of(airflow))
        connect_to(airflow, database)
        pause(airflow, False)
        new_run(airflow, note)


def run_is_not_done(settings: Settings, memory: Memory) -> str | None:
    """Whether the run has not ended well, or its batch is not loaded."""
    with closing(sign_in(settings)) as airflow:
        answer = airflow.get(f"{DAG}/dagRuns/{memory['run_id']}").raise_for_status()
    state = answer.json()["state"]
    if state != "success":
        return (
            f"The run {memory['run_id']} is {state}: repair what holds it up, then let it finish."
        )
    return not_loaded(settings, memory["run_id"])


def remove_run(settings: Settings, airflow: httpx.Client, run_id: str) -> None:
    """End and delete the run, if it is there, then take its batch back."""
    run = f"{DAG}/dagRuns/{run_id}"
    answer = airflow.get(run)
    if answer.status_code != httpx.codes.NOT_FOUND:
        if answer.raise_for_status().json()["state"] not in ("success", "failed"):
            airflow.patch(run, json={"state": "failed"}).raise_for_status()
        airflow.delete(run).raise_for_status()
    remove_batch(settings, run_id)


def put_airflow_back(settings: Settings, memory: Memory) -> None:
    """The runs go first, so that none gets through; then the connection and the switch as before.

    A DAG that was paused had no night to run: one that began since goes, too.
    """
    with closing(sign_in(settings)) as airflow:
        pause(airflow, True)
        if "run_id" in memory:
            remove_run(settings, airflow, memory["run_id"])
        if memory["was_paused"]:
            for run_id in set(scheduled_runs(airflow)) - set(memory["scheduled"]):
                remove_run(settings, airflow, run_id)
        if "right" in memory:
            connect_to(airflow, memory["right"])
        pause(airflow, memory["was_paused"])


PAUSED_DAG = Incident(
    symptom="I have started a run of product_batch_pipeline, and nothing happens: no task, no log, "
    "no error.",
    hints=(
        "Which state is the newest run in? Airflow's page of the DAG shows it.",
        "A run that is queued waits for the scheduler. What does verify_setup.py say of the DAG?",
        "The evidence is the id of the run that waits. Switch the DAG on, and let the run end.",
    ),
    inject=paused_dag,
    answers=noted("run_id"),
    still_wrong=run_is_not_done,
    put_back=put_airflow_back,
)
WRONG_CONNECTION = Incident(
    symptom="The newest run of product_batch_pipeline gets nowhere: its tasks are retried, then "
    "fail. pipeline_db itself answers: try explore_postgres.py.",
    hints=(
        "Read the log of a task that failed: what does it say of the database?",
        "Where do the tasks' address and login come from? Airflow, Admin, Connections.",
        "The evidence is the name of the database that the tasks ask for. Set postgres_default "
        "right, then clear the run's failed tasks.",
    ),
    inject=wrong_connection,
    answers=noted("database"),
    still_wrong=run_is_not_done,
    put_back=put_airflow_back,
)

"""The DAG on Airflow 3: its shape, its form, and whole runs of it on a real pipeline_db.

The runs are `airflow dags test`, which executes the tasks without a scheduler;
tests/acceptance/airflow/ runs the DAG with scheduler and web server,
tests/acceptance/airflow28/ on Airflow 2.8.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from psycopg2.extensions import connection as Connection

from batch_pipeline import steps
from batch_pipeline.dag_connection import EXECUTION_TIMEOUT
from batch_pipeline.parameters import HIGHEST_SEED, MOST_PRODUCTS
from pipeline_common.settings import DAG_ID, PROJECT_FOLDER
from tests.integration.batch.conftest import (
    ledger,
    places,
    product,
    rows,
    run_batch,
    validate_and_load,
)

DESCRIBE = f"""
import json
from airflow.dag_processing.dagbag import DagBag
bag = DagBag({str(PROJECT_FOLDER / "dags")!r})
dag = bag.dags[{DAG_ID!r}]
print(json.dumps(dict(
    errors=bag.import_errors,
    edges={{task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks}},
    retries=[task.retries for task in dag.tasks],
    limits=[task.execution_timeout.total_seconds() for task in dag.tasks],
    schedule=dag.timetable.expression,
    catchup=dag.catchup,
    form={{name: dag.params.get_param(name).schema for name in dag.params}},
)))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """AIRFLOW_HOME with a migrated metadata database (SQLite: no scheduler runs on it)."""
    home = tmp_path_factory.mktemp("airflow")
    airflow(home, "db", "migrate")
    return home


def airflow(home: Path, *arguments: str, **environment: str) -> str:
    """Run an airflow command; "-c" gives Python code to run in the same environment."""
    command = [sys.executable, *(() if arguments[0] == "-c" else ("-m", "airflow")), *arguments]
    settings = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT_FOLDER / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": str(PROJECT_FOLDER),
    }
    done = subprocess.run(
        command,
        env=os.environ | settings | environment,
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# A vendor that does not answer: a scrape has 2 s instead of 10 minutes, and is retried but once.
HANG = """
scrape = scraper.scrape
def hang(vendor, *arguments):
    if vendor == {vendor!r}:
        open({tried!r}, "a").write("again")
        time.sleep(60)
    return scrape(vendor, *arguments)
scraper.scrape = hang
settings = dag.task_dict["extract_products"].partial_kwargs
settings |= dict(execution_timeout=timedelta(seconds=2), retries=1, retry_delay=timedelta(0))
"""
RUN = f"""
import json, sys, time
from datetime import timedelta
from airflow.dag_processing.dagbag import DagBag
from batch_pipeline import scraper
dag = DagBag({str(PROJECT_FOLDER / "dags")!r}).dags[{DAG_ID!r}]
exec(sys.argv[2])
print("The run is", dag.test(run_conf=json.loads(sys.argv[1])).state)
"""
# A batch that arrives right after a run has listed all batches.
ARRIVE = """
from batch_pipeline import batches, steps
listed = batches.batch_ids
def then_one_arrives(connection):
    found = listed(connection)
    steps.land(connection, "newcomer", "vendor", [sys.argv[3]])
    steps.load_to_raw_zone(connection, "newcomer", ["vendor"])
    return found
batches.batch_ids = then_one_arrives
sys.argv.append({record!r})
"""


def run_dag(home: Path, database: dict[str, Any], change: str = "", **params: object) -> str:
    """One run of the DAG, after the code `change` if there is any; returns what it printed."""
    return airflow(home, "-c", RUN, json.dumps(params), change, **as_connection(database))


def as_connection(database: dict[str, Any], extras: str = "") -> dict[str, str]:
    """Airflow's connection to a database, as an environment variable."""
    login = "{user}:{password}@{host}:{port}/{dbname}".format(
        **{name: quote(str(value), safe="") for name, value in database.items()}
    )
    return {"AIRFLOW_CONN_POSTGRES_DEFAULT": f"postgresql://{login}{extras}"}


@pytest.fixture(scope="module")
def dag(home: Path) -> dict[str, Any]:
    """What Airflow's DagBag reads from the file."""
    printed = airflow(home, "-c", DESCRIBE).splitlines()[-1]
    return dict(json.loads(printed))


def test_the_seven_tasks_stand_in_their_order(dag: dict[str, Any]) -> None:
    assert dag["errors"] == {}
    assert dag["edges"] == {
        "extract_products": ["load_to_raw_zone"],
        "load_to_raw_zone": ["validate_products"],
        "validate_products": ["load_to_clean_zone", "load_to_quarantine", "mark_processed"],
        "load_to_clean_zone": ["mark_processed"],
        "load_to_quarantine": ["mark_processed"],
        "mark_processed": ["generate_report"],
        "generate_report": [],
    }


def test_it_runs_daily_at_two_without_catching_up_and_retries(dag: dict[str, Any]) -> None:
    assert (dag["schedule"], dag["catchup"]) == ("0 2 * * *", False)
    assert set(dag["retries"]) == {3}


def test_no_task_may_run_for_ever(dag: dict[str, Any]) -> None:
    assert set(dag["limits"]) == {EXECUTION_TIMEOUT.total_seconds()}


def test_its_form_has_sane_limits(dag: dict[str, Any]) -> None:
    form = dag["form"]
    assert set(form) == {
        "vendors",
        "products_per_vendor",
        "seed",
        "broken_vendor",
        "reprocess_batch",
        "reprocess_all",
    }
    per_vendor = form["products_per_vendor"]
    assert (per_vendor["minimum"], per_vendor["maximum"]) == (1, MOST_PRODUCTS)
    assert form["vendors"]["minItems"] == 1
    assert form["seed"]["maximum"] == HIGHEST_SEED


def test_a_run_adds_45_rows_all_processed_and_each_in_one_place(
    home: Path, pipeline_db: dict[str, Any], connection: Connection
) -> None:
    printed = run_dag(home, pipeline_db, seed=7)
    assert "45 received = " in printed
    total = "SELECT count(*), count(*) FILTER (WHERE processed) FROM raw_products"
    assert rows(connection, total) == [(49, 45)]
    assert len(places(connection, batch_of_the_report(connection))) == 45


def test_a_vendor_that_fails_or_hangs_is_retried_stops_only_itself_and_is_reported(
    home: Path, pipeline_db: dict[str, Any], connection: Connection
) -> None:
    tried = home / "tried"
    hang = HANG.format(vendor="tech_store", tried=str(tried))
    run_dag(home, pipeline_db, hang, broken_vendor="home_goods", seed=7)
    places_found = places(connection, batch_of_the_report(connection))
    assert {place.split("/")[0] for place in places_found} == {"sport_shop"}
    assert tried.read_text() == "again" * 2
    missing = "SELECT missing_sources FROM batch_reports"
    assert rows(connection, missing) == [(["home_goods", "tech_store"],)]


def test_a_parameter_that_does_not_exist_ends_the_run_with_a_sentence_and_lands_nothing(
    home: Path, pipeline_db: dict[str, Any], connection: Connection
) -> None:
    assert "There is no parameter 'sed'" in run_dag(home, pipeline_db, sed=7)
    assert rows(connection, "SELECT count(*) FROM extractions") == [(0,)]


def test_reprocess_all_takes_each_batch_and_scrapes_nothing(
    home: Path, pipeline_db: dict[str, Any], connection: Connection
) -> None:
    run_batch(connection, "all", {"vendor": [product("A")]})
    run_dag(home, pipeline_db, reprocess_all=True)
    reports = "SELECT batch_id, received FROM batch_reports ORDER BY batch_id"
    assert rows(connection, reports) == [("all", 1), ("sample", 4)]


def test_a_batch_that_arrives_while_all_are_re_validated_is_left_to_its_own_run(
    home: Path, pipeline_db: dict[str, Any], connection: Connection
) -> None:
    run_batch(connection, "run", {"vendor": [product("A"), product("B", price=0)]})
    arrive = ARRIVE.format(record=product("A", price=6))
    assert "The run is success" in run_dag(home, pipeline_db, arrive, reprocess_all=True)
    reports = "SELECT batch_id, received FROM batch_reports ORDER BY batch_id"
    assert rows(connection, reports) == [("run", 2), ("sample", 4)]
    assert ledger(connection, "run").adds_up
    assert ledger(connection, "newcomer")[:4] == (1, 0, 0, 0)
    verdicts = "SELECT count(*) FROM product_verdicts WHERE batch_id = 'newcomer'"
    assert rows(connection, verdicts) == [(0,)]
    pending = "SELECT batch_id FROM raw_products WHERE NOT processed"
    assert rows(connection, pending) == [("newcomer",)]

    validate_and_load(connection, "newcomer")
    assert places(connection, "newcomer") == {"vendor/1": "clean"}
    assert places(connection, "run") == {"vendor/1": "superseded", "vendor/2": "price_not_positive"}


def test_a_batch_whose_id_is_all_is_re_validated_alone(
    home: Path, pipeline_db: dict[str, Any], connection: Connection
) -> None:
    steps.land(connection, "all", "vendor", [product("A")])
    run_dag(home, pipeline_db, reprocess_batch="all")
    assert rows(connection, "SELECT batch_id, received FROM batch_reports") == [("all", 1)]
    assert rows(connection, "SELECT count(*) FROM landing_products") == [(0,)]


# --- Its connection -------------------------------------------------------------------------------

CONNECT = """
import sys
from batch_pipeline import dag_connection, steps
dag_connection.LOCK_SECONDS = 1
try:
    with dag_connection.connected() as connection, connection.cursor() as cursor:
        cursor.execute(sys.argv[1])
        print(cursor.fetchone()[0])
except Exception as error:
    print(type(error).__name__, error)
"""


def test_the_extras_of_the_connection_are_kept(home: Path, pipeline_db: dict[str, Any]) -> None:
    login = as_connection(pipeline_db, "?options=-c%20work_mem%3D7MB")
    assert "7MB" in airflow(home, "-c", CONNECT, "SHOW work_mem", **login)


def test_a_connection_that_asks_for_tls_is_not_made_in_plain_text(
    home: Path, pipeline_db: dict[str, Any]
) -> None:
    login = as_connection(pipeline_db, "?sslmode=verify-full")
    assert "OperationalError" in airflow(home, "-c", CONNECT, "SELECT 1", **login)


def test_a_lock_that_another_session_keeps_ends_the_task_with_a_sentence(
    home: Path, pipeline_db: dict[str, Any], connection: Connection
) -> None:
    lock = "SELECT pg_advisory_lock(1)"
    rows(connection, lock)
    said = airflow(home, "-c", CONNECT, lock, **as_connection(pipeline_db))
    assert "BusyError The database gave up: canceling statement due to lock timeout." in said


def batch_of_the_report(connection: Connection) -> str:
    ((batch_id,),) = rows(connection, "SELECT batch_id FROM batch_reports")
    return str(batch_id)

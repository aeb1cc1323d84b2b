"""The same DAG on Airflow 2.8, on a real pipeline_db."""

import os
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest

from pipeline_common.settings import DAG_ID, PROJECT_FOLDER
from tests.acceptance.airflow28.environment import airflow_28, needs_python_3_11

pytestmark = [pytest.mark.slow, needs_python_3_11]


@pytest.fixture(scope="session")
def airflow28() -> Path:
    """The airflow command of a 2.8.4 in an environment of its own, kept between runs."""
    return airflow_28() / "bin/airflow"


@pytest.fixture(scope="module")
def home(airflow28: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """AIRFLOW_HOME with a migrated metadata database."""
    home = tmp_path_factory.mktemp("airflow28")
    run_airflow(airflow28, environment(home), "db", "migrate")
    return home


@pytest.fixture
def dag_environment(home: Path, pipeline_db: dict[str, Any]) -> dict[str, str]:
    """What Airflow 2.8 needs to run the DAG on a fresh pipeline_db."""
    login = "{user}:{password}@{host}:{port}/{dbname}".format(
        **{name: quote(str(value), safe="") for name, value in pipeline_db.items()}
    )
    return environment(home) | {"AIRFLOW_CONN_POSTGRES_DEFAULT": f"postgresql://{login}"}


def environment(home: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT_FOLDER / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": str(PROJECT_FOLDER),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def run_airflow(airflow: Path, environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [airflow, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def counts(pipeline_db: dict[str, Any]) -> dict[str, int]:
    """Rows of the DAG's own batches in each zone."""
    names = ("clean_products", "superseded_products", "quarantine_products")
    sums = [f"SELECT '{n}', count(*) FROM {n} WHERE raw_id IS NOT NULL" for n in names]
    sums += ["SELECT 'raw', count(*) FROM raw_products"]
    sums += ["SELECT 'processed', count(*) FROM raw_products WHERE processed"]
    sums += ["SELECT 'reports', count(*) FROM batch_reports"]
    with psycopg2.connect(**pipeline_db) as connection, connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(sums))
        found = dict(cursor.fetchall())
    connection.close()
    return found


def test_the_dag_has_its_seven_tasks(airflow28: Path, dag_environment: dict[str, str]) -> None:
    tasks = run_airflow(airflow28, dag_environment, "tasks", "list", DAG_ID)
    assert set(tasks.split()) == {
        "extract_products", "load_to_raw_zone", "validate_products", "load_to_clean_zone",
        "load_to_quarantine", "mark_processed", "generate_report",
    }  # fmt: skip


def test_a_run_judges_45_products_and_a_second_one_of_the_same_batch_changes_nothing(
    airflow28: Path, dag_environment: dict[str, str], pipeline_db: dict[str, Any]
) -> None:
    run_airflow(airflow28, dag_environment, "dags", "test", DAG_ID, "2026-11-24")
    first = counts(pipeline_db)
    assert (first["raw"], first["processed"], first["reports"]) == (49, 45, 1)
    assert first["clean_products"] + first["quarantine_products"] == 45
    assert first["superseded_products"] == 0

    run_airflow(airflow28, dag_environment, "dags", "test", DAG_ID, "2026-11-24")
    assert counts(pipeline_db) == first

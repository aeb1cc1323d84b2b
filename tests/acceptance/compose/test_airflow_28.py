"""docker-compose.airflow-2.8.yml: the same seven containers and the same DAG on Airflow 2.8."""

import time
from collections.abc import Iterator

import pytest

from pipeline_common.settings import DAG_ID
from tests.acceptance.airflow28.environment import airflow_28, needs_python_3_11
from tests.acceptance.compose import stand_ins
from tests.acceptance.compose.project import LONG_RUNNING, Compose, project, query

OVERRIDE = "docker-compose.airflow-2.8.yml"

pytestmark = [pytest.mark.slow, needs_python_3_11]


@pytest.fixture(scope="module")
def up(docker: dict[str, str], real_images: bool) -> Iterator[Compose]:
    """All seven on Airflow 2.8."""
    if not real_images:
        image = stand_ins.services(OVERRIDE)["airflow_init"]["image"]
        stand_ins.airflow(docker, image, airflow_28())
    with project(docker, OVERRIDE) as compose:
        print(f"\nAirflow 2.8: healthy after {compose.up():.0f} s")
        yield compose


def test_all_is_healthy(up: Compose) -> None:
    assert {up.health(name) for name in LONG_RUNNING} == {"healthy"}
    assert up.state("airflow_init")["ExitCode"] == 0
    version = up.run("docker", "exec", "airflow_scheduler", "airflow", "version")
    assert version.split()[-1] == "2.8.4"


def test_the_dag_runs(up: Compose) -> None:
    # Once the DAG is unpaused, Airflow 2 runs the last interval.
    up.run("docker", "exec", "airflow_scheduler", "airflow", "dags", "unpause", DAG_ID)
    deadline = time.monotonic() + 300
    while up.counts()["batch_reports"] < 1:
        assert time.monotonic() < deadline, up("logs", "--tail=50", "airflow_scheduler")
        time.sleep(1)
    assert up.counts()["raw_products"] == 4 + 45
    sums = "SELECT sum(received), sum(clean + superseded + quarantined) FROM batch_reports"
    assert query(up.settings.postgres, sums) == [(45, 45)]

"""docker-compose.scale.yml: the same pipelines on two Celery workers and two validators."""

import sys
import time
from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg2
import pytest
from kafka import KafkaAdminClient

from batch_pipeline.ledger import read_ledger
from batch_pipeline.scraper import VENDORS
from batch_pipeline.slices import slices_for
from pipeline_common.settings import DAG_ID, VALIDATOR_GROUP
from python_scripts.airflow_api import sign_in, trigger, wait_for_dag
from tests.acceptance.compose import stand_ins
from tests.acceptance.compose.project import LONG_RUNNING, Compose, query

pytestmark = pytest.mark.slow
#: Rows of a batch that is divided into three slices.
LARGE = 67_500
#: The clean zone of the newest batch against the first valid row of each of its products.
NOT_AS_THE_VERDICTS = """
    WITH standing AS (SELECT DISTINCT ON (product_id) product_id, raw_id FROM product_verdicts
                      WHERE batch_id = '{batch_id}' AND issues IS NULL
                      ORDER BY product_id, source COLLATE "C", raw_id),
         clean AS (SELECT product_id, raw_id FROM clean_products WHERE batch_id = '{batch_id}')
    (TABLE standing EXCEPT TABLE clean) UNION ALL (TABLE clean EXCEPT TABLE standing)"""
WORKERS = ["airflow_worker-1", "airflow_worker-2"]


@pytest.fixture(scope="module")
def scaled(docker: dict[str, str], real_images: bool, up: Compose) -> Compose:
    """Redis, two workers and two validators join the seven, which run already."""
    if not real_images:
        stand_ins.build_for_scale(docker)
    compose = replace(up, files=(*up.files, "docker-compose.scale.yml"))
    print(f"\nscaled out: healthy after {compose.up():.0f} s")
    return compose


def name(scaled: Compose, container: str) -> str:
    """The name that Compose generates for a container without a container_name."""
    return f"{scaled.folder.name}-{container}"


def test_all_is_healthy(scaled: Compose) -> None:
    for container in [*LONG_RUNNING, "my_redis", *(name(scaled, worker) for worker in WORKERS)]:
        assert scaled.health(container) == "healthy", container


def test_the_dag_is_green_and_its_tasks_ran_on_the_workers(scaled: Compose) -> None:
    airflow_db = airflow_db_of(scaled)
    ((begin,),) = query(airflow_db, "SELECT now()")
    before = scaled.counts()
    sql = f"SELECT hostname, state FROM task_instance WHERE start_date > '{begin}'"
    hosts = hosts_of_the_workers(scaled)
    rows: list[tuple[str, str]] = []
    runs = 0
    while {host for host, _ in rows} != hosts:  # a worker that is free takes what is there
        assert runs < 6, rows
        scaled.run(sys.executable, "python_scripts/run_dag.py")
        runs += 1
        rows = query(airflow_db, sql)
    assert {state for _, state in rows} == {"success"}
    found = scaled.counts()
    assert found["raw_products"] == before["raw_products"] + runs * 45
    assert found["batch_reports"] == before["batch_reports"] + runs


def test_both_workers_take_slices_of_a_large_batch(scaled: Compose) -> None:
    """Three slices; a worker takes two tasks at a time, so the third goes to the other one."""
    airflow_db = airflow_db_of(scaled)
    assert len(slices_for(LARGE)) == 3
    # Followed in the database: the web server is slow to answer while so much is done.
    with closing(sign_in(scaled.settings)) as web:
        wait_for_dag(web, DAG_ID)
        run_id = trigger(web, DAG_ID, {"products_per_vendor": LARGE // len(VENDORS)})
    run = f"SELECT state FROM dag_run WHERE run_id = '{run_id}'"
    deadline = time.monotonic() + 900
    while (state := query(airflow_db, run)) != [("success",)]:
        assert state != [("failed",)]
        assert time.monotonic() < deadline, state
        time.sleep(1)
    sql = f"""SELECT task_id, map_index, hostname FROM task_instance
              WHERE task_id IN ('validate_products', 'load_to_clean_zone')
                AND run_id = '{run_id}'"""
    slices = query(airflow_db, sql)
    assert {(task, index) for task, index, _ in slices} == {
        (task, index) for task in ("validate_products", "load_to_clean_zone") for index in range(3)
    }
    assert {host for _, _, host in slices} == hosts_of_the_workers(scaled)
    with closing(psycopg2.connect(**scaled.settings.postgres)) as connection:
        zones = read_ledger(connection.cursor(), run_id)
    assert zones.received == LARGE
    assert zones.adds_up
    assert query(scaled.settings.postgres, NOT_AS_THE_VERDICTS.format(batch_id=run_id)) == []


def airflow_db_of(scaled: Compose) -> dict[str, Any]:
    """The login to Airflow's own database, which knows where each task ran."""
    return scaled.settings.postgres | {
        "dbname": "airflow_db",
        "user": "airflow_user",
        "password": scaled.settings.airflow_db_password,
    }


def hosts_of_the_workers(scaled: Compose) -> set[str]:
    """Their host names, by which Airflow calls them."""
    inspect = ["docker", "inspect", "--format", "{{.Config.Hostname}}"]
    return set(scaled.run(*inspect, *(name(scaled, worker) for worker in WORKERS)).split())


def test_the_validators_share_the_stream_and_lose_nothing(scaled: Compose) -> None:
    before = ledger(scaled)["records"]
    simulator = ["streaming_pipeline/sensor_simulator.py", "--count", "600", "--rate", "0"]
    scaled.run(sys.executable, *simulator)
    deadline = time.monotonic() + 240
    while (now := ledger(scaled))["records"] < before + 600:
        assert time.monotonic() < deadline, now
        time.sleep(0.5)
    assert now["records"] == before + 600 == now["valid"] + now["invalid"] + now["duplicates"]
    while sorted(shares := partitions_of_each_member(scaled)) != [3, 3]:
        assert time.monotonic() < deadline, shares
        time.sleep(0.5)


def ledger(scaled: Compose) -> dict[str, int]:
    """How many records were read, and what became of them."""
    sql = """SELECT coalesce(sum(records), 0), coalesce(sum(duplicates), 0),
                    (SELECT count(*) FROM sensor_readings WHERE topic IS NOT NULL),
                    (SELECT count(*) FROM sensor_readings_invalid)
             FROM stream_offsets"""
    row = query(scaled.settings.timescale, sql)[0]
    return dict(zip(["records", "duplicates", "valid", "invalid"], map(int, row), strict=True))


def partitions_of_each_member(scaled: Compose) -> list[int]:
    """How many partitions are assigned to each validator."""
    admin = KafkaAdminClient(bootstrap_servers=scaled.settings.kafka_bootstrap_servers)
    members = admin.describe_groups([VALIDATOR_GROUP])[VALIDATOR_GROUP]["members"]
    admin.close()
    assigned = [member["member_assignment"]["assigned_partitions"] for member in members]
    return [sum(len(topic["partitions"]) for topic in topics) for topics in assigned]

"""docker-compose.scale.yml: the same pipelines by two Celery workers and two validators."""

import sys
import time
from dataclasses import replace

import pytest
from kafka import KafkaAdminClient

from pipeline_settings import VALIDATOR_GROUP
from tests.compose import stand_ins
from tests.compose.project import LONG_RUNNING, Compose, query

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
    """The name that Compose makes up for a container that has none of its own."""
    return f"{scaled.folder.name}-{container}"


def test_all_is_healthy(scaled: Compose) -> None:
    for container in [*LONG_RUNNING, "my_redis", *(name(scaled, worker) for worker in WORKERS)]:
        assert scaled.health(container) == "healthy", container


def test_the_dag_is_green_and_its_tasks_ran_on_the_workers(scaled: Compose) -> None:
    airflow_db = scaled.settings.postgres | {
        "dbname": "airflow_db",
        "user": "airflow_user",
        "password": scaled.settings.airflow_db_password,
    }
    ((begin,),) = query(airflow_db, "SELECT now()")
    before = scaled.counts()
    for _ in range(2):
        scaled.run(sys.executable, "python_scripts/run_dag.py")
    sql = f"SELECT hostname, state FROM task_instance WHERE start_date > '{begin}'"
    rows = query(airflow_db, sql)
    inspect = ["docker", "inspect", "--format", "{{.Config.Hostname}}"]
    hosts = scaled.run(*inspect, *(name(scaled, worker) for worker in WORKERS)).split()
    assert {host for host, _ in rows} == set(hosts)
    assert {state for _, state in rows} == {"success"}
    found = scaled.counts()
    assert found["raw_products"] == before["raw_products"] + 2 * 45
    assert found["batch_reports"] == before["batch_reports"] + 2


def test_the_validators_share_the_stream_and_lose_nothing(scaled: Compose) -> None:
    before = ledger(scaled)["records"]
    simulator = ["streaming_pipeline/sensor_simulator.py", "--count", "600", "--rate", "0"]
    scaled.run(sys.executable, *simulator)
    deadline = time.monotonic() + 60
    while (now := ledger(scaled))["records"] < before + 600:
        assert time.monotonic() < deadline, now
        time.sleep(0.5)
    assert now["records"] == before + 600 == now["valid"] + now["invalid"] + now["duplicates"]
    assert sorted(partitions_of_each_member(scaled)) == [3, 3]


def ledger(scaled: Compose) -> dict[str, int]:
    """How many records were read, and what became of them."""
    sql = """SELECT coalesce(sum(records), 0), coalesce(sum(duplicates), 0),
                    (SELECT count(*) FROM sensor_readings WHERE topic IS NOT NULL),
                    (SELECT count(*) FROM sensor_readings_invalid)
             FROM stream_offsets"""
    row = query(scaled.settings.timescale, sql)[0]
    return dict(zip(["records", "duplicates", "valid", "invalid"], map(int, row), strict=True))


def partitions_of_each_member(scaled: Compose) -> list[int]:
    """How many partitions Kafka has given to each validator."""
    admin = KafkaAdminClient(bootstrap_servers=scaled.settings.kafka_bootstrap_servers)
    members = admin.describe_groups([VALIDATOR_GROUP])[VALIDATOR_GROUP]["members"]
    admin.close()
    assigned = [member["member_assignment"]["assigned_partitions"] for member in members]
    return [sum(len(topic["partitions"]) for topic in topics) for topics in assigned]

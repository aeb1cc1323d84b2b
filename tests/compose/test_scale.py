"""docker-compose.scale.yml: the same pipelines by two Celery workers and two validators."""

import sys
import time
from collections.abc import Iterator

import pytest
from kafka import KafkaAdminClient

from pipeline_settings import VALIDATOR_GROUP
from tests.compose import stand_ins
from tests.compose.project import LONG_RUNNING, Compose, project, query

WORKERS = ["airflow_worker-1", "airflow_worker-2"]
VALIDATORS = ["stream_validator-1", "stream_validator-2"]


@pytest.fixture(scope="module")
def up(docker: dict[str, str], real_images: bool) -> Iterator[Compose]:
    """The seven, Redis, two workers, two validators."""
    if not real_images:
        stand_ins.build_for_scale(docker)
    with project(docker, "docker-compose.scale.yml") as compose:
        print(f"\nscaled out: healthy after {compose.up():.0f} s")
        yield compose


def name(up: Compose, container: str) -> str:
    """The name that Compose makes up for a container that has none of its own."""
    return f"{up.folder.name}-{container}"


def test_all_is_healthy(up: Compose) -> None:
    for container in [*LONG_RUNNING, "my_redis", *(name(up, worker) for worker in WORKERS)]:
        assert up.health(container) == "healthy", container


def test_the_dag_is_green_and_its_tasks_ran_on_the_workers(up: Compose) -> None:
    for _ in range(2):
        up.run(sys.executable, "python_scripts/run_dag.py")
    airflow_db = up.settings.postgres | {
        "dbname": "airflow_db",
        "user": "airflow_user",
        "password": up.settings.airflow_db_password,
    }
    rows = query(airflow_db, "SELECT hostname, state, executor FROM task_instance")
    hosts = {
        up.run("docker", "inspect", "--format", "{{.Config.Hostname}}", name(up, worker)).strip()
        for worker in WORKERS
    }
    assert {host for host, _, _ in rows} == hosts
    assert {state for _, state, _ in rows} == {"success"}
    found = up.counts()
    assert (found["raw_products"], found["batch_reports"]) == (4 + 2 * 45, 2)


def test_the_validators_share_the_stream_and_lose_nothing(up: Compose) -> None:
    simulator = [
        "streaming_pipeline/sensor_simulator.py",
        "--rate",
        "200",
        "--duration",
        "3",
        "--json",
    ]
    printed = up.run(sys.executable, *simulator)
    sent = json.loads(printed.splitlines()[-1])
    deadline = time.monotonic() + 60
    while ledger(up)["records"] < 600:
        assert time.monotonic() < deadline, ledger(up)
        time.sleep(0.5)
    after = ledger(up)
    assert after["records"] == 600 == after["valid"] + after["invalid"] + after["duplicates"]
    assert sorted(partitions_of_each_member(up)) == [3, 3]


def ledger(up: Compose) -> dict[str, int]:
    """How many records were read, and what became of them."""
    sql = """SELECT coalesce(sum(records), 0), coalesce(sum(duplicates), 0),
                    (SELECT count(*) FROM sensor_readings WHERE topic IS NOT NULL),
                    (SELECT count(*) FROM sensor_readings_invalid)
             FROM stream_offsets"""
    row = query(up.settings.timescale, sql)[0]
    return dict(zip(["records", "duplicates", "valid", "invalid"], map(int, row), strict=True))


def partitions_of_each_member(up: Compose) -> list[int]:
    """How many partitions Kafka has given to each validator."""
    admin = KafkaAdminClient(bootstrap_servers=up.settings.kafka_bootstrap_servers)
    group = admin.describe_groups([VALIDATOR_GROUP])[VALIDATOR_GROUP]
    admin.close()
    print(group)
    return []

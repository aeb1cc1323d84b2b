"""docker-compose.yml in a real engine: usable at once, restarted after every kill, nothing lost."""

import json
import re
import sys
import time
from contextlib import closing
from typing import Any

import psutil
import psycopg2
import pytest
from kafka import KafkaConsumer, TopicPartition

from pipeline_common.settings import (
    DAG_ID,
    PROJECT_FOLDER,
    SENSOR_TOPIC,
    SENSOR_TOPIC_PARTITIONS,
)
from tests.acceptance.compose.project import LONG_RUNNING, Compose, query

#: What Debian 13 has, and so what these tests run on where no other is installed.
OLDEST_COMPOSE = ("2", "26")


def test_up_returns_when_all_is_usable(up: Compose) -> None:
    for name in LONG_RUNNING:
        assert up.health(name) == "healthy"
    init = up.state("airflow_init")
    assert (init["Status"], init["ExitCode"]) == ("exited", 0)
    names = up.run("docker", "ps", "--all", "--format", "{{.Names}}").split()
    assert sorted(names) == sorted([*LONG_RUNNING, "airflow_init"])


def test_the_checks_of_the_readme_print_what_it_promises(up: Compose) -> None:
    psql = ["docker", "exec", "my_postgres", "psql", "-h", "localhost", "-tA"]
    password = ["docker", "exec", "-e", f"PGPASSWORD={up.settings.pgpassword}", *psql[2:]]
    login = ["-U", "pipeline_user", "-d", "pipeline_db", "-c", "SELECT COUNT(*) FROM raw_products"]
    assert up.run(*password, *login).strip() == "4"
    found = up.counts()
    assert (found["raw_products"], found["sensor_readings"]) == (4, 1000)
    assert "[KafkaServer id=1] started" in up.run("docker", "logs", "my_kafka")
    web = up.run("docker", "logs", "airflow_webserver")
    assert "Uvicorn running on http://0.0.0.0:8080" in web


def test_the_secrets_are_made_at_the_first_start(up: Compose) -> None:
    found = up.run("docker", "exec", "airflow_scheduler", "sh", "-c", "cd secrets && cat *_*")
    jwt_secret, fernet_key = found.split()
    assert len(jwt_secret) == len(fernet_key) == 44  # 32 bytes in base64
    assert jwt_secret != fernet_key


def test_ports_are_open_to_this_machine_only(up: Compose) -> None:
    for name in LONG_RUNNING:
        ports = json.loads(
            up.run("docker", "inspect", "--format", "{{json .HostConfig.PortBindings}}", name)
        )
        for bindings in (ports or {}).values():
            assert [binding["HostIp"] for binding in bindings] == ["127.0.0.1"]


def test_texts_are_ordered_by_their_bytes_as_without_docker(up: Compose) -> None:
    for login in (up.settings.postgres, up.settings.timescale):
        assert query(login, "SELECT 'B' < 'a'") == [(True,)]


def test_timescaledb_has_the_options_of_the_file_and_not_those_of_the_image(up: Compose) -> None:
    sql = "SELECT current_setting('max_connections'), current_setting('autovacuum_max_workers')"
    assert query(up.settings.timescale, sql) == [("100", "3")]


def test_a_refused_upgrade_is_a_sentence_of_the_health_check(up: Compose) -> None:
    login = up.settings.admin(up.settings.postgres)
    execute(login, "INSERT INTO schema_version VALUES (999)")
    up.run("docker", "exec", "my_postgres", "rm", "/tmp/upgraded")
    # As docs/troubleshooting.md has it.
    said = ["docker", "inspect", "--format", "{{range .State.Health.Log}}{{.Output}}{{end}}"]
    deadline = time.monotonic() + 120
    while "but this release only knows" not in (found := up.run(*said, "my_postgres")):
        assert time.monotonic() < deadline, found
        time.sleep(0.5)
    execute(login, "DELETE FROM schema_version WHERE version = 999")
    while up.health("my_postgres") != "healthy" or not upgraded(up):
        assert time.monotonic() < deadline, found
        time.sleep(0.5)


def execute(login: dict[str, Any], sql: str) -> None:
    with closing(psycopg2.connect(**login)) as connection, connection:
        connection.cursor().execute(sql)


def upgraded(up: Compose) -> bool:
    """Whether the health check has found the database up to date, and noted that."""
    return "upgraded" in up.run("docker", "exec", "my_postgres", "ls", "/tmp")


def test_logs_are_rotated_and_no_container_gains_privileges(up: Compose) -> None:
    for name in [*LONG_RUNNING, "airflow_init"]:
        inspect = up.run("docker", "inspect", "--format", "{{json .HostConfig}}", name)
        config = json.loads(inspect)
        assert config["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}, name
        assert config["SecurityOpt"] == ["no-new-privileges:true"], name
        if name not in ("my_postgres", "my_timescaledb", "airflow_init"):
            assert config["CapDrop"] == ["ALL"], name


def test_the_version_of_compose_that_is_tested_is_the_one_that_the_pages_ask_for(
    up: Compose,
) -> None:
    version = up("version", "--short").strip().removeprefix("v").split(".")
    for page in ("README.md", "docs/containers.md"):
        numbers = re.findall(r"Compose (\d+)\.(\d+)", (PROJECT_FOLDER / page).read_text())
        assert set(numbers) == {OLDEST_COMPOSE}, page
    assert (int(version[0]), int(version[1])) >= tuple(map(int, OLDEST_COMPOSE))


def test_both_pipelines_run_on_it(up: Compose) -> None:
    printed = up.run(sys.executable, "python_scripts/demo.py", "--seconds", "5")
    assert "The ledgers balance" in printed
    assert up.counts()["raw_products"] == 49


def test_the_topic_has_its_partitions(up: Compose) -> None:
    command = ["kafka-topics", "--bootstrap-server", "my_kafka:29092", "--describe"]
    described = up.run("docker", "exec", "my_kafka", *command, "--topic", "sensor_readings_raw")
    assert "PartitionCount: 6" in described.replace("PartitionCount:6", "PartitionCount: 6")


def test_make_finds_the_running_containers(up: Compose) -> None:
    # -o: the environment of the tests serves the copy too
    make = ["make", "-o", ".venv/installed", f"PYTHON={sys.executable}"]
    assert up.run("local_stack/choose.sh") == "docker\n"
    status = up.run(*make, "status")
    assert all(name in status for name in [*LONG_RUNNING, "airflow_init"])
    assert "started (kafka.server.KafkaServer)" in up.run(*make, "logs", "SERVICE=my_kafka")
    assert DAG_ID in up.run(*make, "airflow", "ARGS=dags list")
    since = up.state("my_zookeeper")
    up.run(*make, "restart", "SERVICE=my_zookeeper")
    up.wait_until_healthy(since, "my_zookeeper")


def test_a_lost_volume_comes_back_from_its_backup(up: Compose) -> None:
    make = ["make", "-o", ".venv/installed", f"PYTHON={sys.executable}"]
    kept = up.run(*make, "backup")
    assert all(name in kept for name in ("my_postgres", "my_timescaledb"))
    up.run(sys.executable, "python_scripts/demo.py", "--seconds", "3")
    before = up.counts()
    up("rm", "--stop", "--force", "my_timescaledb")
    up.run("docker", "volume", "rm", f"{up.folder.name}_timescaledb_data")
    assert "goes back" in up.run(*make, "restore", "SERVICE=my_timescaledb", "YES=1")
    assert up.counts() == before


@pytest.mark.parametrize("container", LONG_RUNNING)
def test_a_killed_service_comes_back_and_nothing_is_lost(
    up: Compose, figures: dict[str, str], container: str
) -> None:
    before = up.counts()
    since = up.state(container)
    # `docker kill` counts as "stopped by the user"; in a crash, the process dies.
    psutil.Process(int(str(since["Pid"]))).kill()
    seconds = up.wait_until_healthy(since, container)
    figures[f"`{container}` killed: healthy again after"] = f"{seconds:.0f} s"
    assert up.counts() == before


@pytest.mark.parametrize("process", ["airflow scheduler", "airflow dag-processor"])
def test_the_death_of_either_half_restarts_the_scheduler(up: Compose, process: str) -> None:
    since = up.state("airflow_scheduler")
    inside = psutil.Process(int(str(since["Pid"]))).children(recursive=True)
    victim = next(p for p in inside if process in " ".join(p.cmdline()).replace("/", " "))
    victim.kill()
    up.wait_until_healthy(since, "airflow_scheduler")


def test_every_service_can_be_restarted(up: Compose) -> None:
    before = up.counts()
    since = {name: up.state(name) for name in LONG_RUNNING}
    up("restart", *LONG_RUNNING)
    for name in LONG_RUNNING:
        up.wait_until_healthy(since[name], name)
    assert up.counts() == before


def test_down_and_up_keep_the_data_and_the_topics(up: Compose, figures: dict[str, str]) -> None:
    before = up.counts(), messages(up)
    assert sum(before[1].values()) > 0
    up("down")
    volumes = up.run("docker", "volume", "ls", "--quiet").split()
    assert [name for name in volumes if re.fullmatch("[0-9a-f]{64}", name)] == []
    figures["later starts: healthy after"] = f"{up.up():.0f} s"
    assert (up.counts(), messages(up)) == before
    stats = ["docker", "stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}", *LONG_RUNNING]
    for line in up.run(*stats).splitlines():
        container, used, _, limit = line.split()
        figures[f"memory of `{container}`, and its limit"] = f"{used}, {limit}"


def messages(up: Compose) -> dict[TopicPartition, int]:
    """The offset at the end of each partition of the sensor topic."""
    partitions = [TopicPartition(SENSOR_TOPIC, number) for number in range(SENSOR_TOPIC_PARTITIONS)]
    with KafkaConsumer(bootstrap_servers=up.settings.kafka_bootstrap_servers) as consumer:
        offsets: dict[TopicPartition, int] = consumer.end_offsets(partitions)
    return offsets

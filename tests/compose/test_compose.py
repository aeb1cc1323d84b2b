"""docker-compose.yml, brought up for real: usable at once, back after every kill, nothing lost."""

import json
import sys
import time

import psutil
import psycopg2
import pytest

from tests.compose.conftest import LONG_RUNNING, Compose


@pytest.fixture(scope="module")
def up(compose: Compose) -> Compose:
    """All seven, started as the README says."""
    begin = time.monotonic()
    try:
        compose("up", "--detach", "--wait")
    except AssertionError:
        print(compose("logs", "--tail=30", ok=False))
        raise
    print(f"\nhealthy after {time.monotonic() - begin:.0f} s")
    return compose


def state(compose: Compose, container: str) -> dict[str, object]:
    inspected = compose.run("docker", "inspect", "--format", "{{json .State}}", container)
    found: dict[str, object] = json.loads(inspected)
    return found


def health(compose: Compose, container: str) -> object:
    found = state(compose, container)["Health"]
    return found["Status"] if isinstance(found, dict) else None


def wait_until_healthy(compose: Compose, since: dict[str, object], container: str) -> None:
    """Wait until the container has been started anew and is healthy again."""
    deadline = time.monotonic() + 120
    while True:
        now = state(compose, container)
        if now["StartedAt"] != since["StartedAt"] and health(compose, container) == "healthy":
            return
        assert time.monotonic() < deadline, compose.run("docker", "logs", "--tail=20", container)
        time.sleep(0.5)


def counts(compose: Compose) -> dict[str, int]:
    """Rows of the tables that people look at."""
    found = {}
    for login, tables in [
        (compose.settings.postgres, ["raw_products", "clean_products", "quarantine_products"]),
        (compose.settings.timescale, ["sensor_readings", "sensor_readings_invalid"]),
    ]:
        connection = psycopg2.connect(**login)
        with connection.cursor() as cursor:
            for table in tables:
                cursor.execute(f"SELECT count(*) FROM {table}")
                found[table] = int((cursor.fetchone() or [0])[0])
        connection.close()
    return found


def test_up_returns_when_all_is_usable(up: Compose) -> None:
    for name in LONG_RUNNING:
        assert health(up, name) == "healthy"
    init = state(up, "airflow_init")
    assert (init["Status"], init["ExitCode"]) == ("exited", 0)
    names = up.run("docker", "ps", "--all", "--format", "{{.Names}}").split()
    assert sorted(names) == sorted([*LONG_RUNNING, "airflow_init"])


def test_the_checks_of_the_readme_print_what_it_promises(up: Compose) -> None:
    psql = ["docker", "exec", "my_postgres", "psql", "-h", "localhost", "-tA"]
    password = ["docker", "exec", "-e", "PGPASSWORD=pipeline_pass", *psql[2:]]
    login = ["-U", "pipeline_user", "-d", "pipeline_db", "-c", "SELECT COUNT(*) FROM raw_products"]
    assert up.run(*password, *login).strip() == "4"
    found = counts(up)
    assert (found["raw_products"], found["sensor_readings"]) == (4, 1000)
    assert "[KafkaServer id=1] started" in up.run("docker", "logs", "my_kafka")
    web = up.run("docker", "logs", "airflow_webserver")
    assert "Uvicorn running on http://0.0.0.0:8080" in web


def test_ports_are_open_to_this_machine_only(up: Compose) -> None:
    for name in LONG_RUNNING:
        ports = json.loads(
            up.run("docker", "inspect", "--format", "{{json .HostConfig.PortBindings}}", name)
        )
        for bindings in (ports or {}).values():
            assert [binding["HostIp"] for binding in bindings] == ["127.0.0.1"]


def test_both_pipelines_run_on_it(up: Compose) -> None:
    printed = up.run(sys.executable, "python_scripts/demo.py", "--seconds", "5")
    assert "The ledgers balance" in printed
    assert counts(up)["raw_products"] == 49


def test_the_topic_has_its_partitions(up: Compose) -> None:
    command = ["kafka-topics", "--bootstrap-server", "my_kafka:29092", "--describe"]
    described = up.run("docker", "exec", "my_kafka", *command, "--topic", "sensor_readings_raw")
    assert "PartitionCount: 6" in described.replace("PartitionCount:6", "PartitionCount: 6")


@pytest.mark.parametrize("container", LONG_RUNNING)
def test_a_killed_service_comes_back_and_nothing_is_lost(up: Compose, container: str) -> None:
    before = counts(up)
    since = state(up, container)
    # `docker kill` counts as "stopped by the user"; a crash is a process that dies by itself.
    psutil.Process(int(str(since["Pid"]))).kill()
    wait_until_healthy(up, since, container)
    assert counts(up) == before


@pytest.mark.parametrize("process", ["airflow scheduler", "airflow dag-processor"])
def test_the_death_of_either_half_restarts_the_scheduler(up: Compose, process: str) -> None:
    since = state(up, "airflow_scheduler")
    inside = psutil.Process(int(str(since["Pid"]))).children(recursive=True)
    victim = next(p for p in inside if process in " ".join(p.cmdline()).replace("/", " "))
    victim.kill()
    wait_until_healthy(up, since, "airflow_scheduler")


def test_every_service_can_be_restarted(up: Compose) -> None:
    before = counts(up)
    since = {name: state(up, name) for name in LONG_RUNNING}
    up("restart", *LONG_RUNNING)
    for name in LONG_RUNNING:
        wait_until_healthy(up, since[name], name)
    assert counts(up) == before


def test_down_and_up_keep_the_data_and_the_topics(up: Compose) -> None:
    before = counts(up)
    up("down")
    up("up", "--detach", "--wait")
    assert counts(up) == before
    printed = up.run(sys.executable, "python_scripts/demo.py", "--seconds", "2")
    assert "The ledgers balance" in printed
    print(up.run("docker", "stats", "--no-stream", "--format", "table {{.Name}}\t{{.MemUsage}}"))


def test_down_with_volumes_deletes_the_data(up: Compose) -> None:
    up("down", "--volumes")
    up("up", "--detach", "--wait", "my_postgres", "my_timescaledb")
    found = counts(up)
    assert (found["raw_products"], found["sensor_readings"]) == (4, 1000)

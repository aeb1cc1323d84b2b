"""verify_setup reports for each service whether it is up, and what to do if it is not."""

import os
import subprocess
import sys
from collections.abc import Iterator

import psycopg2
import pytest

from local_stack.stack import Stack
from pipeline_common.settings import PROJECT_FOLDER
from tests.faults.tcp_proxy import TcpProxy
from tests.integration.explore.conftest import Script


@pytest.fixture(scope="module")
def whole_stack(stack: Stack) -> Iterator[Stack]:
    """Every service is up."""
    stack.up()
    yield stack
    stack.stop("airflow_webserver", "airflow_scheduler")


@pytest.fixture
def proxy(whole_stack: Stack, environment: dict[str, str]) -> Iterator[TcpProxy]:
    """A proxy between verify_setup and TimescaleDB, which can simulate that it is down."""
    proxy = TcpProxy(whole_stack.settings.timescale_port)
    environment["TIMESCALE_PORT"] = str(proxy.port)
    yield proxy
    proxy.close()


def test_a_fresh_stack_is_all_there_with_its_versions_and_promised_rows(
    script: Script, whole_stack: Stack
) -> None:
    """Plain words in a pipe, and exit status 0."""
    done = script("verify_setup", "--wait")
    assert done.returncode == 0, done.stdout + done.stderr
    for service in whole_stack.seven:
        assert f"| ok | {service} " in done.stdout
    for version in ("PostgreSQL 15.", "TimescaleDB 2.", "ZooKeeper 3.", "Kafka 3.9", "Airflow 3."):
        assert version in done.stdout
    assert "raw_products: 4 rows = 4 samples + 0 from pipelines" in done.stdout
    assert "sensor_readings: 1000 rows = 1000 samples + 0 from pipelines" in done.stdout
    assert "FAIL" not in done.stdout
    assert done.stdout.isascii()


def test_what_pipelines_add_is_no_failure(script: Script, whole_stack: Stack) -> None:
    """After a batch there are more rows than promised."""
    script("insert_and_validate")
    done = script("verify_setup")
    assert done.returncode == 0, done.stdout
    assert "raw_products: 9 rows = 4 samples + 5 from pipelines" in done.stdout


def test_missing_sample_rows_are_a_failure(
    script: Script, whole_stack: Stack, timeseries_db: dict[str, object]
) -> None:
    """The count is promised."""
    with psycopg2.connect(**timeseries_db) as connection:  # type: ignore[call-overload]
        connection.cursor().execute("DELETE FROM sensor_readings WHERE sensor_id = 'sensor_1'")
    done = script("verify_setup")
    assert done.returncode == 1
    assert "| FAIL | my_timescaledb    | sensor_readings: 666 rows = 666 samples" in done.stdout
    assert "my_timescaledb: the init SQL did not run to its end" in done.stderr


def test_a_service_that_is_down_comes_with_the_next_step(script: Script, proxy: TcpProxy) -> None:
    """One row for it, not one for each check that it fails; the others are still printed."""
    proxy.refuse()
    done = script("verify_setup")
    assert done.returncode == 1
    assert done.stdout.count("FAIL") == 1
    assert "| FAIL | my_timescaledb " in done.stdout
    assert "| ok   | my_kafka " in done.stdout
    assert "my_timescaledb: make up starts it; make logs SERVICE=my_timescaledb" in done.stderr
    assert "Traceback" not in done.stderr


def test_wait_waits_until_the_service_is_there(
    environment: dict[str, str], proxy: TcpProxy
) -> None:
    """It says what it waits for."""
    proxy.refuse()
    command = [sys.executable, str(PROJECT_FOLDER / "python_scripts/verify_setup.py"), "--wait"]
    with subprocess.Popen(
        command,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr
        assert process.stderr.readline() == "Waiting for my_timescaledb\n"
        proxy.heal()
        printed, _ = process.communicate(timeout=180)
    assert process.returncode == 0, printed
    assert "| ok | my_timescaledb " in printed


def test_a_stack_that_is_down_is_told_in_one_line(
    script: Script, environment: dict[str, str]
) -> None:
    """No list of things to do for each of its services."""
    ports = ("PGPORT", "TIMESCALE_PORT", "ZOOKEEPER_PORT", "AIRFLOW_PORT")
    environment |= dict.fromkeys(ports, "1") | {"KAFKA_BOOTSTRAP_SERVERS": "localhost:1"}
    done = script("verify_setup")
    assert (done.returncode, done.stderr) == (1, "Nothing answers. Start the stack: make up\n")

"""The local stack does what `docker compose` would: order, health, restart, clean stop."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import psycopg2
import pytest

from local_stack.folders import local_folder
from local_stack.processes import MARK
from local_stack.stack import Stack
from pipeline_common.errors import StackError
from pipeline_common.settings import Settings
from tests.own_stack import delete, settings_of_its_own


@pytest.fixture
def own_stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A stack of the test's own, for tests that break or stop services."""
    folder = local_folder() / f"test-{request.node.name}"
    shutil.rmtree(folder, ignore_errors=True)
    stack = Stack(folder, settings_of_its_own())
    yield stack
    stack.down()
    delete(folder)


def processes_of(stack: Stack) -> list[int]:
    """Process ids that carry the stack's mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(stack.folder):
                found.append(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def count(login: dict[str, object], table: str) -> int:
    connection = psycopg2.connect(**login)  # type: ignore[call-overload]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        number = cursor.fetchone()[0]
    connection.close()
    return int(number)


def test_a_fresh_stack_has_the_promised_rows(own_stack: Stack) -> None:
    own_stack.up("my_postgres", "my_timescaledb")
    assert count(own_stack.settings.postgres, "raw_products") == 4
    assert count(own_stack.settings.timescale, "sensor_readings") == 1000


def test_data_outlives_down_and_up(own_stack: Stack) -> None:
    own_stack.up("my_postgres")
    connection = psycopg2.connect(**own_stack.settings.postgres)
    with connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO extractions VALUES ('kept', 'shop', 1)")
    connection.close()
    own_stack.down()
    assert processes_of(own_stack) == []
    own_stack.up("my_postgres")
    assert count(own_stack.settings.postgres, "extractions") == 1
    assert count(own_stack.settings.postgres, "raw_products") == 4


def test_a_killed_service_comes_back_by_itself(own_stack: Stack) -> None:
    own_stack.up("my_postgres")
    before = own_stack.pid("my_postgres")
    own_stack.kill("my_postgres")
    deadline = time.monotonic() + 120
    while own_stack.pid("my_postgres") in (0, before):
        assert time.monotonic() < deadline, "it was not started again"
        time.sleep(0.05)
    own_stack.wait_until_healthy("my_postgres")
    assert count(own_stack.settings.postgres, "raw_products") == 4


def test_a_taken_port_is_named_and_nothing_is_left_half_started(own_stack: Stack) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", own_stack.settings.timescale_port))
        taken.listen()
        with pytest.raises(StackError) as error:
            own_stack.up("my_postgres", "my_timescaledb")
    sentence = str(error.value)
    for word in (str(own_stack.settings.timescale_port), "my_timescaledb", "TIMESCALE_PORT="):
        assert word in sentence
    assert processes_of(own_stack) == []


def test_down_ends_what_a_killed_supervisord_left_behind(own_stack: Stack) -> None:
    own_stack.up("my_postgres")
    supervisord = int((own_stack.folder / "supervisord.pid").read_text())
    psutil.Process(supervisord).kill()
    own_stack.down()
    assert processes_of(own_stack) == []


def test_a_service_that_cannot_start_is_named_with_its_last_words(
    own_stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local_stack.starting.START_SECONDS", 60.0)  # for a slow machine
    with (own_stack.folder / "config/zookeeper.properties").open("a") as file:
        file.write("clientPort=none\n")
    with pytest.raises(StackError, match="my_zookeeper did not become healthy"):
        own_stack.up("my_zookeeper")
    assert processes_of(own_stack) == []


def test_the_command_says_in_one_sentence_which_service_does_not_exist(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "local_stack", "logs", "my_redis"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"NO_COLOR": "1"},
    )
    assert done.returncode == 1
    assert "There is no service my_redis" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_healthy_outlives_a_service_that_does_not_start(own_stack: Stack) -> None:
    (own_stack.folder / "data/zookeeper").mkdir(parents=True)
    (own_stack.folder / "data/zookeeper/version-2").write_text("no folder")
    own_stack.up("my_postgres")
    with pytest.raises(StackError) as error:
        own_stack.up("my_postgres", "my_zookeeper")
    assert "Not a directory" in str(error.value)  # the failing line of its log
    assert own_stack.is_healthy("my_postgres")
    assert own_stack.running() == {"my_postgres"}


def test_other_settings_than_those_of_the_running_stack_are_refused(own_stack: Stack) -> None:
    own_stack.up("my_postgres")
    moved = own_stack.settings.model_copy(update={"kafka_port": 1})
    with pytest.raises(StackError, match="make down, then make up"):
        Stack(own_stack.folder, moved).up("my_postgres")
    other = own_stack.settings.model_copy(update={"pgpassword": "another"})
    with pytest.raises(StackError, match="another PGPASSWORD than"):
        Stack(own_stack.folder, other).up("my_postgres")


def test_no_service_runs_as_root(stack: Stack, kafka: str) -> None:
    stack.up("my_postgres", "my_timescaledb")
    for name in ("my_postgres", "my_timescaledb", "my_zookeeper", "my_kafka"):
        assert psutil.Process(stack.pid(name)).uids().real != 0, name


@pytest.fixture
def silent_server() -> Iterator[int]:
    """The port of a server that accepts connections and never says a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    "name", ["my_postgres", "my_timescaledb", "my_zookeeper", "my_kafka", "airflow_webserver"]
)
def test_a_service_that_hangs_does_not_hold_up_its_health_check(
    tmp_path: Path, silent_server: int, name: str
) -> None:
    ports = ["pgport", "timescale_port", "zookeeper_port", "kafka_port", "airflow_port"]
    settings = settings_of_its_own().model_copy(update=dict.fromkeys(ports, silent_server))
    service = Stack(tmp_path, settings).services[name]
    begin = time.monotonic()
    with suppress(OSError, httpx.HTTPError, psycopg2.OperationalError):
        assert not service.healthy()
    assert time.monotonic() - begin < 15  # `status` asks all at once; 30 s and more before


@pytest.mark.parametrize("command", [["restart", "my_kafka"], ["airflow", "version"], ["status"]])
def test_a_command_for_a_running_stack_says_that_it_is_down(command: list[str]) -> None:
    if Stack(local_folder(), Settings()).is_supervised():
        pytest.skip("the stack of this clone is running")
    done = subprocess.run(
        [sys.executable, "-m", "local_stack", *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.strip() == "The stack is down. Start it: make up"

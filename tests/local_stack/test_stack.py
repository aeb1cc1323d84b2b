"""The local stack does what `docker compose` would: order, health, restart, clean stop."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest

from local_stack import install
from local_stack.own_stack import settings_of_its_own
from local_stack.stack import MARK, Stack
from pipeline_console import StackError


@pytest.fixture
def own_stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A stack of the test's own, for tests that break or stop services."""
    folder = install.local_folder() / f"test-{request.node.name}"
    shutil.rmtree(folder, ignore_errors=True)
    stack = Stack(folder, settings_of_its_own())
    yield stack
    stack.down()
    shutil.rmtree(folder)


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
        cursor.execute("CREATE TABLE kept AS SELECT 1 AS one")
    connection.close()
    own_stack.down()
    assert processes_of(own_stack) == []
    own_stack.up("my_postgres")
    assert count(own_stack.settings.postgres, "kept") == 1
    assert count(own_stack.settings.postgres, "raw_products") == 4


def test_a_killed_service_comes_back_by_itself(own_stack: Stack) -> None:
    own_stack.up("my_postgres")
    before = own_stack.pid("my_postgres")
    own_stack.kill("my_postgres")
    deadline = time.monotonic() + 30
    while own_stack.pid("my_postgres") in (0, before) and time.monotonic() < deadline:
        time.sleep(0.05)
    own_stack.wait_until_healthy("my_postgres", seconds=30)
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


def test_a_service_that_cannot_start_is_named_with_its_last_words(own_stack: Stack) -> None:
    (own_stack.folder / "data/zookeeper").mkdir(parents=True)
    (own_stack.folder / "data/zookeeper/version-2").write_text("no folder")
    broken = own_stack.services["my_zookeeper"]
    with pytest.raises(StackError, match="my_zookeeper did not become healthy"):
        own_stack.up(broken.name)
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

"""Every process of a stack is found again and ended, whatever it has done to its environment."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from local_stack import processes
from pipeline_common.errors import StackError
from pipeline_common.settings import PROJECT_FOLDER

RENAMED = """
import setproctitle, sys, time
setproctitle.setproctitle("airflow worker " + 2000 * "x")
print("renamed", flush=True)
time.sleep(600)
"""
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], psutil.Process]]:
    """Starts Python code as a process of the stack in tmp_path, and waits for its first line."""
    started: list[subprocess.Popen[str]] = []

    def start_one(code: str) -> psutil.Process:
        environment = os.environ | processes.mark(tmp_path)
        command = [sys.executable, "-c", code]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout
        assert process.stdout.readline()
        return psutil.Process(process.pid)

    yield start_one
    for process in started:
        process.kill()
        process.communicate()


def test_a_process_that_has_renamed_itself_is_found_and_ended(
    tmp_path: Path, start: Callable[[str], psutil.Process]
) -> None:
    renamed = start(RENAMED)
    assert processes.processes_of(tmp_path) == [renamed]
    processes.end_all(tmp_path)
    assert processes.processes_of(tmp_path) == []


def test_a_process_that_does_not_listen_is_killed(
    tmp_path: Path, start: Callable[[str], psutil.Process]
) -> None:
    start(DEAF)
    processes.end_all(tmp_path, patience=3)  # also for its end by SIGKILL, on a busy machine
    assert processes.processes_of(tmp_path) == []


def test_a_process_that_survives_is_named(
    tmp_path: Path,
    start: Callable[[str], psutil.Process],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # No process of a test's own can survive SIGKILL: here none is sent.
    survivor = start(DEAF)
    monkeypatch.setattr(psutil.Process, "kill", lambda _: None)
    with pytest.raises(StackError, match=rf"survive even SIGKILL: {survivor.pid} "):
        processes.end_all(tmp_path, patience=0.1)
    monkeypatch.undo()


def test_clean_needs_no_python_environment_and_ends_every_process(
    tmp_path: Path, start: Callable[[str], psutil.Process]
) -> None:
    clone = tmp_path / "clone"
    (clone / "local_stack").mkdir(parents=True)
    script = PROJECT_FOLDER / "local_stack/clean.sh"
    (clone / "local_stack/clean.sh").write_bytes(script.read_bytes())
    (clone / ".local/data").mkdir(parents=True)
    (clone / "logs/dag_id=x").mkdir(parents=True)
    (clone / "logs/.gitkeep").touch()
    (clone / ".env").touch()
    environment = os.environ | processes.mark(clone / ".local/test")
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], env=environment
    )
    wait_for_mark(process.pid, clone)
    subprocess.run(["sh", clone / "local_stack/clean.sh"], check=True)
    assert process.wait(timeout=60) < 0
    left = {str(path.relative_to(clone)) for path in clone.rglob("*") if path.is_file()}
    assert left == {"local_stack/clean.sh", "logs/.gitkeep"}
    assert not (clone / ".local").exists()


def wait_for_mark(pid: int, clone: Path) -> None:
    """Wait until the child has become the program that carries the mark."""
    deadline = time.monotonic() + 60
    while str(clone).encode() not in Path(f"/proc/{pid}/environ").read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_clean_follows_no_link_that_make_has_not_made(tmp_path: Path) -> None:
    clone, elsewhere = tmp_path / "clone", tmp_path / "elsewhere"
    (clone / "local_stack").mkdir(parents=True)
    (clone / "logs").mkdir()
    script = PROJECT_FOLDER / "local_stack/clean.sh"
    (clone / "local_stack/clean.sh").write_bytes(script.read_bytes())
    elsewhere.mkdir()
    (elsewhere / "kept").touch()
    (clone / ".local").symlink_to(elsewhere)
    subprocess.run(["sh", clone / "local_stack/clean.sh"], check=True)
    assert (elsewhere / "kept").exists()
    assert not (clone / ".local").is_symlink()

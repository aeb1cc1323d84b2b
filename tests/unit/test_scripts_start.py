"""Every script says one line at Ctrl-C, also while it imports, and where packages are missing."""

import os
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline_common.settings import PROJECT_FOLDER

FOLDERS = ("backup", "batch_pipeline", "lab", "local_stack", "python_scripts", "streaming_pipeline")
SCRIPTS = sorted(
    path.relative_to(PROJECT_FOLDER)
    for folder in FOLDERS
    for path in (PROJECT_FOLDER / folder).glob("*.py")
    if "__main__" in path.read_text() and "typer" in path.read_text()
)
MODULES = ("backup", "lab", "local_stack")  # these are run by `python -m`
every_script = pytest.mark.parametrize("script", SCRIPTS, ids=str)


def start(script: Path, *options: str, **environment: str) -> "subprocess.Popen[str]":
    """The script under Python with some options, and with --help if there are any."""
    name = [str(script)]
    if script.parts[0] in MODULES:
        name = ["-m", ".".join(script.with_suffix("").parts).removesuffix(".__main__")]
    return subprocess.Popen(
        [sys.executable, *options, *name, *(["--help"] if options else [])],
        cwd=PROJECT_FOLDER,
        env=os.environ | {"NO_COLOR": "1"} | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def lines_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("import time:")]


@every_script
def test_without_the_environment_a_script_says_how_to_activate_it(script: Path) -> None:
    """A Python that does not look for packages knows as few as the system's."""
    with start(script, "-S") as process:
        said = process.communicate(timeout=60)
    assert said == ("", "Activate the environment first: source .venv/bin/activate\n")
    assert process.returncode == 1


@every_script
@pytest.mark.parametrize("nth", range(3))
def test_ctrl_c_while_a_script_imports_is_one_line(script: Path, nth: int) -> None:
    """Each time at another moment, counted in imports: a slow machine has the same moments."""
    moment = random.Random(f"{script} {nth}").randrange(300)
    with start(script, "-X", "importtime") as process:
        assert process.stderr
        while not process.stderr.readline().rstrip().endswith("pipeline_common.at_start"):
            assert process.poll() is None
        for _ in range(1 + moment):
            process.stderr.readline()
        process.send_signal(signal.SIGINT)
        # Not communicate(): it begins in mid-line, after what readline() has buffered.
        errors = process.stderr.read()
        assert process.stdout
        output = process.stdout.read()
    assert (output, lines_of(errors)) == ("", ["Stopped."])
    assert process.returncode == 130


def test_ctrl_c_while_a_server_does_not_answer_is_one_line() -> None:
    """Airflow takes the connection and is silent."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        port = str(silent.getsockname()[1])
        script = Path("python_scripts/run_dag.py")
        with start(script, AIRFLOW_PORT=port) as process, silent.accept()[0]:
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=60)
    assert (output, lines_of(errors)) == ("", ["Stopped."])
    assert process.returncode == 130


@pytest.mark.parametrize(
    ("wrong", "said"),
    [("--seed=7", "No such option"), ("sed=7", "no parameter 'sed'"), ("seed", "NAME=VALUE")],
)
def test_run_dag_refuses_what_it_does_not_know(wrong: str, said: str) -> None:
    """As wrong usage, before it asks Airflow."""
    script = "python_scripts/run_dag.py"
    done = subprocess.run(
        [sys.executable, script, wrong],
        cwd=PROJECT_FOLDER,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said in done.stderr
    assert done.returncode == 2

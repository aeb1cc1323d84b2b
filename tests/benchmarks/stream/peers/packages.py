"""The peers' own packages, in .local: fetched on first use, never part of the project."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from local_stack.folders import cache_folder
from pipeline_common.console import stderr
from pipeline_common.errors import StackError

HERE = Path(__file__).parent
TELEGRAF = "github.com/influxdata/telegraf/cmd/telegraf@v1.37.2"  # Go checks it, and what it needs
#: Only the plugins that telegraf.conf uses.
TAGS = "custom,inputs.kafka_consumer,parsers.json,outputs.postgresql"


def python() -> Path:
    """The Python that the Python peers run with; it has what requirements.txt names."""
    folder = _folder("python", HERE / "requirements.txt")
    if not (folder / "done").exists():
        python = folder / "bin/python"
        requirements = str(HERE / "requirements.txt")
        _fetch([sys.executable, "-m", "venv", str(folder)])
        _fetch([str(python), "-m", "pip", "install", "--quiet", "--requirement", requirements])
        (folder / "done").touch()
    return folder / "bin/python"


def connect_jars() -> Path:
    """The folder with the jars that connect.xml names, and those which they need."""
    folder = _folder("connect", HERE / "connect.xml")
    if not (folder / "done").exists():
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
        _fetch(["mvn", "-B", "-q", "-f", str(HERE / "connect.xml"), *goal])
        (folder / "done").touch()
    return folder


def telegraf() -> Path:
    """The program, built from its source; raises StackError where there is no Go for it."""
    if not shutil.which("go"):
        raise StackError("It is built with Go 1.25.5 or later, which is not installed.")
    folder = _folder("telegraf", Path(__file__))
    if not (folder / "done").exists():
        options = ["-tags", TAGS, "-trimpath", "-ldflags", "-s -w"]
        _fetch(["go", "install", *options, TELEGRAF], GOBIN=str(folder), CGO_ENABLED="0")
        (folder / "done").touch()
    return folder / "telegraf"


def _folder(name: str, list_of_packages: Path) -> Path:
    """Where packages are kept; emptied if it is not complete, or older than their list."""
    folder = cache_folder() / "bench-stream" / name
    done = folder / "done"
    if not done.exists() or done.stat().st_mtime < list_of_packages.stat().st_mtime:
        shutil.rmtree(folder, ignore_errors=True)
        stderr.print(f"Fetching the peers' packages: {name}")
    return folder


def _fetch(command: list[str], **variables: str) -> None:
    environment = os.environ | variables
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StackError(
            f"The peers' packages cannot be fetched, {command[0]} says: "
            f"{(done.stderr or done.stdout)[-500:]}\nWithout the peers: --no-peers"
        )

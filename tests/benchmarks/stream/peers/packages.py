"""The peers' own packages, in .local: fetched on first use, never part of the project."""

import shutil
import subprocess
import sys
from pathlib import Path

from local_stack.folders import cache_folder
from pipeline_common.console import stderr
from pipeline_common.errors import StackError

HERE = Path(__file__).parent


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


def _folder(name: str, list_of_packages: Path) -> Path:
    """Where packages are kept; emptied if it is not complete, or older than their list."""
    folder = cache_folder() / "bench-stream" / name
    done = folder / "done"
    if not done.exists() or done.stat().st_mtime < list_of_packages.stat().st_mtime:
        shutil.rmtree(folder, ignore_errors=True)
        stderr.print(f"Fetching the packages of {list_of_packages.name} for the peers")
    return folder


def _fetch(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StackError(
            f"The peers' packages cannot be fetched, {command[0]} says: "
            f"{(done.stderr or done.stdout)[-500:]}\nWithout the peers: --no-peers"
        )

"""Airflow 2.8.4 in an environment of its own, kept between runs; the DAG and the images use it."""

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local_stack.folders import cache_folder

# The packages as they were when 2.8.4 was the newest.
PACKAGES = ["apache-airflow==2.8.4", "apache-airflow-providers-postgres", "psycopg2-binary"]
RESOLVED_AS_OF = "2024-04-15"

needs_python_3_11 = pytest.mark.skipif(
    not (3, 8) <= sys.version_info < (3, 12), reason="Airflow 2.8 runs on Python 3.8 to 3.11"
)


def airflow_28() -> Path:
    """The folder of the environment, which uv creates on first use."""
    folder = cache_folder() / "airflow-2.8.4"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two workers of the tests may ask at once
        if not (folder / "done").exists():
            _make(folder)
    return folder


def _make(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, folder], check=True)
    python = ["--python", str(folder / "bin/python"), "--exclude-newer", RESOLVED_AS_OF]
    subprocess.run(
        [uv, "pip", "install", "-q", "--compile-bytecode", *python, *PACKAGES], check=True
    )
    (folder / "done").touch()

"""What failed once in `make test` runs again; what fails twice fails the run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline_common.settings import PROJECT_FOLDER

LEFT = ".pytest_cache/v/cache/lastfailed"


def again(folder: Path, *failed: str) -> "subprocess.CompletedProcess[str]":
    """`make test`'s second step after a run in which these tests failed."""
    (folder / LEFT).parent.mkdir(parents=True)
    (folder / LEFT).write_text(json.dumps(dict.fromkeys(failed, True)))
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = slow\n")
    return subprocess.run(
        [sys.executable, "-m", "tests.again"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(PROJECT_FOLDER)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("now", "status"), [("True", 0), ("False", 1)])
def test_the_second_run_decides(tmp_path: Path, now: str, status: int) -> None:
    (tmp_path / "test_it.py").write_text(f"def test_one():\n    assert {now}\n")
    done = again(tmp_path, "test_it.py::test_one")
    assert done.returncode == status, done.stdout
    assert ("failed together with others" in done.stdout) == (status == 0)


def test_its_neighbours_run_with_it(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "made = []\n\ndef test_one():\n    made.append(1)\n\ndef test_two():\n    assert made\n"
    )
    assert again(tmp_path, "test_it.py::test_two").returncode == 0


def test_of_the_pages_only_that_with_the_failed_block_runs(tmp_path: Path) -> None:
    pages = tmp_path / "tests/acceptance/readme/test_pages.py"
    pages.parent.mkdir(parents=True)
    pages.write_text(
        "import pytest\n\n"
        "blocks = ['docs/a-1.md:3 x', 'docs/a-1.md:9 y', 'docs/b.md:3 x']\n\n"
        "@pytest.mark.parametrize('block', blocks)\n"
        "def test_a_block(block):\n    assert 'docs/a-1.md' in block\n"
    )
    test = "tests/acceptance/readme/test_pages.py::test_a_block[docs/a-1.md:9 y]"
    done = again(tmp_path, test)
    assert done.returncode == 0, done.stdout
    assert "2 passed, 1 deselected" in done.stdout


def test_nothing_runs_if_no_test_failed_or_too_many_did(tmp_path: Path) -> None:
    assert again(tmp_path).returncode == 1
    many = [f"test_{number}.py::test_one" for number in range(6)]
    (tmp_path / "many").mkdir()
    done = again(tmp_path / "many", *many)
    assert (done.returncode, done.stdout) == (1, "")

"""`make docs`: the same pages as a site, with every link checked."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline_common.settings import PROJECT_FOLDER
from tests.acceptance.readme.blocks import files_in_git, pages


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The project's files, with the .venv of the tests."""
    for name in files_in_git():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT_FOLDER / name, tmp_path / name)
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / ".git/info/exclude").write_text(".venv\n")
    return tmp_path


def make_docs(clone: Path) -> "subprocess.CompletedProcess[str]":
    command = ["make", "--no-print-directory", "--assume-old=.venv/installed", "docs"]
    return subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False)


def test_every_page_is_in_the_site(clone: Path) -> None:
    done = make_docs(clone)
    assert done.returncode == 0, done.stdout + done.stderr
    site = clone / ".local/site"
    for page in pages():
        html = page.relative_to(PROJECT_FOLDER).with_suffix(".html")
        assert (site / ("index.html" if html.name == "README.html" else html)).is_file()


def test_a_link_to_nowhere_fails_the_build(clone: Path) -> None:
    with (clone / "docs/glossary.md").open("a") as page:
        page.write("\n[nowhere](nowhere.md)\n")
    done = make_docs(clone)
    assert done.returncode != 0
    assert "page does not exist" in done.stdout + done.stderr


def test_every_page_is_in_the_navigation() -> None:
    config = yaml.safe_load((PROJECT_FOLDER / "mkdocs.yml").read_text())
    entries = [value for part in config["nav"] for value in part.values()]
    listed = [name for entry in entries for name in ([entry] if isinstance(entry, str) else entry)]
    assert sorted(listed) == sorted(str(page.relative_to(PROJECT_FOLDER)) for page in pages())

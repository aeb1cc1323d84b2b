"""A folder of downloads is compared with its list in both directions."""

import hashlib
from pathlib import Path

import pytest

from local_stack.checksums import differences


@pytest.fixture
def jars(tmp_path: Path) -> tuple[Path, Path]:
    """A folder with two files, and the list that has both."""
    folder, listed = tmp_path / "jars", tmp_path / "jars.sha256"
    folder.mkdir()
    for name in ("a.jar", "b.jar"):
        (folder / name).write_text(name)
    lines = (f"{hashlib.sha256(name.encode()).hexdigest()}  {name}" for name in ("a.jar", "b.jar"))
    listed.write_text("\n".join(lines) + "\n")
    return folder, listed


def test_what_is_listed_and_there_makes_no_difference(jars: tuple[Path, Path]) -> None:
    assert differences(*jars) == []


def test_a_changed_file_is_named(jars: tuple[Path, Path]) -> None:
    (jars[0] / "a.jar").write_text("changed")
    assert differences(*jars) == ["a.jar"]


def test_a_missing_file_is_named(jars: tuple[Path, Path]) -> None:
    (jars[0] / "b.jar").unlink()
    assert differences(*jars) == ["b.jar"]


def test_a_file_too_many_is_named(jars: tuple[Path, Path]) -> None:
    (jars[0] / "planted.jar").write_text("loaded before the others")
    assert differences(*jars) == ["planted.jar"]

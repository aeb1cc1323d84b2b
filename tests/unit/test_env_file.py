"""`.env` of a clone: its own secrets, and the ports that the stack was started on."""

from pathlib import Path

import pytest

from local_stack.env_file import PORTS, write_env
from pipeline_common.settings import PROJECT_FOLDER


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with .env.example, and no port in the environment."""
    (tmp_path / ".env.example").write_text((PROJECT_FOLDER / ".env.example").read_text())
    for name in PORTS:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def values(clone: Path) -> dict[str, str]:
    """The lines of .env as a dictionary."""
    lines = (clone / ".env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_a_port_that_make_was_given_is_where_the_scripts_look(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "5532")
    write_env(clone)
    assert values(clone)["PGPORT"] == "5532"


def test_an_existing_file_keeps_everything_but_the_given_port(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_env(clone)
    before = values(clone)
    monkeypatch.setenv("KAFKA_PORT", "19092")
    write_env(clone)
    assert values(clone) == before | {"KAFKA_PORT": "19092"}


def test_without_a_port_an_existing_file_is_not_touched(clone: Path) -> None:
    (clone / ".env").write_text("PGPORT=5599\n")
    write_env(clone)
    assert (clone / ".env").read_text() == "PGPORT=5599\n"


def test_the_file_is_for_its_owner_only(clone: Path) -> None:
    write_env(clone)
    assert (clone / ".env").stat().st_mode & 0o077 == 0

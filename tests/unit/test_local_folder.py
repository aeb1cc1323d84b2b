"""`.local` is used only where no other user can have put something into it."""

import os
from pathlib import Path

import pytest

from local_stack import folders
from pipeline_common.errors import StackError

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of others")
NOBODY = 65534


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the clone."""
    monkeypatch.setattr(folders, "PROJECT_FOLDER", tmp_path)
    return tmp_path


def test_the_folder_is_made_and_found_again(clone: Path) -> None:
    folder = folders.local_folder()
    try:
        assert folders.local_folder() == folder
        assert folder.stat().st_mode & 0o777 == 0o755
    finally:
        folder.rmdir()


@needs_root
def test_below_a_closed_folder_it_is_a_random_one_in_var_tmp(clone: Path) -> None:
    clone.chmod(0o700)
    folder = folders.local_folder()
    try:
        assert folder.parent == Path("/var/tmp")
        assert (clone / ".local").readlink() == folder
        assert folder.stat().st_mode & 0o777 == 0o755
    finally:
        folder.rmdir()


@needs_root
def test_a_folder_of_another_user_is_refused(clone: Path) -> None:
    (clone / ".local").mkdir()
    os.chown(clone / ".local", NOBODY, NOBODY)
    with pytest.raises(StackError, match="belongs to another user"):
        folders.local_folder()


@needs_root
def test_a_link_to_a_folder_of_another_user_is_refused(clone: Path) -> None:
    (clone / "planted").mkdir()
    os.chown(clone / "planted", NOBODY, NOBODY)
    (clone / ".local").symlink_to(clone / "planted")
    with pytest.raises(StackError, match="belongs to another user"):
        folders.local_folder()


@needs_root
def test_a_link_that_another_user_has_made_is_refused(clone: Path) -> None:
    (clone / "ours").mkdir()
    (clone / ".local").symlink_to(clone / "ours")
    os.lchown(clone / ".local", NOBODY, NOBODY)
    with pytest.raises(StackError, match="belongs to another user"):
        folders.local_folder()


def test_a_folder_that_others_may_write_to_is_refused(clone: Path) -> None:
    (clone / ".local").mkdir()
    (clone / ".local").chmod(0o777)
    with pytest.raises(StackError, match="another user may write to it"):
        folders.local_folder()


@pytest.mark.parametrize("odd", [" ", "'", '"', "%", "$", ";", ":", "\n"])
def test_a_path_that_shells_would_misread_is_refused_in_one_sentence(odd: str) -> None:
    with pytest.raises(StackError, match="Move the clone to a folder without it") as error:
        folders.refuse_odd_path(Path(f"/home/me/my{odd}clone"))
    assert repr(odd) in str(error.value)


def test_letters_of_any_language_are_fine() -> None:
    folders.refuse_odd_path(Path("/home/zoë/data-pipeline_1.0+x/~src@home"))

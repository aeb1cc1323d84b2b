"""Where the local stack keeps everything: `.local/` in the clone."""

import os
import re
import tempfile
from pathlib import Path

from pipeline_common.errors import StackError
from pipeline_common.settings import PROJECT_FOLDER


def local_folder() -> Path:
    """The folder of the local stack; raises StackError if it cannot be trusted.

    PostgreSQL refuses to run as root, so root runs it as the user postgres. If that user cannot
    enter the clone (/root, a private temporary folder), `.local` is a link to a folder in /var/tmp.
    """
    refuse_odd_path(PROJECT_FOLDER)
    local = PROJECT_FOLDER / ".local"
    if not local.exists():
        local.unlink(missing_ok=True)  # a link whose folder is gone
        _make(local)
    refuse_foreign_owner(local)
    return local.resolve()


def cache_folder() -> Path:
    """Where downloads and builds are kept between runs, for the user's stack and the tests."""
    folder = local_folder() / "cache"
    folder.mkdir(exist_ok=True)
    return folder


def refuse_odd_path(clone: Path) -> None:
    """Raise StackError if shells, URLs or configuration files would misread the path."""
    odd = sorted(set(re.findall(r"[^\w./+@~-]", str(clone))))
    if odd:
        characters = " ".join(repr(character) for character in odd)
        raise StackError(
            f"The path of this clone, {clone}, contains {characters}, which shells and "
            "configuration files read as something else. Move the clone to a folder without it."
        )


def refuse_foreign_owner(local: Path) -> None:
    """Raise StackError if another user owns, or may write to, the folder or the link to it."""
    folder = local.resolve()
    for path in {local, folder}:
        status = path.lstat()
        writable = not path.is_symlink() and status.st_mode & 0o022
        if status.st_uid != os.geteuid() or writable:
            raise StackError(
                f"{path} belongs to another user, or another user may write to it: nothing from "
                f"it is run. Look at what it holds, then delete {local} and {folder}."
            )


def _make(local: Path) -> None:
    if os.geteuid() == 0 and not _everyone_may_enter(PROJECT_FOLDER):
        # Its name is random and stored in the link, so that nobody can put files there beforehand.
        folder = Path(tempfile.mkdtemp(prefix="data-pipeline-", dir="/var/tmp"))
        local.symlink_to(folder)
    else:
        folder = local
        folder.mkdir()
    folder.chmod(0o755)


def _everyone_may_enter(folder: Path) -> bool:
    return all(path.stat().st_mode & 0o001 for path in [folder, *folder.parents])

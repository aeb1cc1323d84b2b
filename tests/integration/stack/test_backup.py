"""A lost database can be restored to any moment since its first backup.

These tests use the batch pipeline; the stream's drill is in tests/faults, with the others.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path

import psutil
import psycopg2
import pytest

from backup import places
from backup.__main__ import back_up, restore
from backup.places import Processes
from local_stack.stack import Stack
from pipeline_common.errors import StackError
from tests.databases import archive_wal
from tests.integration.batch.conftest import ledger, product, rows, run_batch
from tests.own_stack import stack_of_its_own

NAME = "my_postgres"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A PostgreSQL that only these tests use and destroy, in a path with spaces."""
    with stack_of_its_own("backup of a user", NAME) as stack:
        yield stack


@pytest.fixture
def place(stack: Stack) -> Processes:
    """It runs, whatever the test before has done to it."""
    stack.up(NAME)
    return Processes(stack)


def lose(stack: Stack) -> None:
    """kill -9 the server and delete its data; supervisord may start it again meanwhile."""
    stack.kill(NAME)
    data = stack.folder / "data/postgres"
    while data.exists():
        shutil.rmtree(data, ignore_errors=True)


def begin_with(patch: pytest.MonkeyPatch, text: str) -> None:
    """Have the scripts of backup/ begin with this text, which may replace a command of theirs."""
    shell = places.shell

    def with_text(script: str, arguments: Sequence[str]) -> list[str]:
        program, option, rest, *names = shell(script, arguments)
        return [program, option, f"{text}\n{rest}", *names]

    patch.setattr(places, "shell", with_text)


def killed_after(condition: str) -> str:
    """Shell text: kill -9 the script after the first `mv` after which the condition is true."""
    return f"""mv() {{
        command mv "$@"
        if {condition}; then rm -rf "$private"; kill -9 $$; exit; fi
    }}"""


@contextmanager
def newest_backup_damaged(stack: Stack) -> Iterator[None]:
    """A wrong checksum in its manifest: so a restore ends once it has unpacked it."""
    *_, manifest = sorted((stack.folder / "backups" / NAME).glob("*/base/*/backup_manifest"))
    good = manifest.read_text()
    manifest.write_text(good.replace('"Checksum": "', '"Checksum": "0', 1))
    try:
        yield
    finally:
        manifest.write_text(good)


def run(stack: Stack, batch: str) -> None:
    """A batch of ten products, two of them invalid."""
    lines = [product(f"{batch}-{number}", price=number - 1) for number in range(10)]
    with closing(psycopg2.connect(**stack.settings.postgres)) as connection:
        run_batch(connection, batch, {"shop": lines})


def batches(stack: Stack) -> dict[str, tuple[int, int]]:
    """Rows of each batch in the clean zone and quarantine; each ledger balances."""
    found = {}
    with closing(psycopg2.connect(**stack.settings.postgres)) as connection:
        for (name,) in rows(connection, "SELECT DISTINCT batch_id FROM raw_products"):
            if name.startswith("night"):
                has = ledger(connection, name)
                assert has.adds_up
                found[name] = (has.clean, has.quarantined)
    return found


def now() -> datetime:
    """A moment with nothing stored in the second around it: a backup's name has whole seconds."""
    time.sleep(1.1)
    return datetime.now(timezone.utc)


def archived(stack: Stack) -> list[Path]:
    """The kept base backups and WAL segments of all clusters."""
    folder = stack.folder / "backups" / NAME
    return sorted([*folder.glob("*/base/*"), *folder.glob("*/wal/" + 24 * "[0-9A-F]" + ".gz")])


def test_nothing_is_archived_before_the_first_backup(stack: Stack, place: Processes) -> None:
    archive_wal(stack.settings.postgres)
    assert archived(stack) == []
    with pytest.raises(StackError, match="There is no backup"):
        place.run(NAME, "restore.sh", "find")


def test_a_lost_database_goes_back_to_a_moment_and_the_batch_is_run_again(
    stack: Stack, place: Processes
) -> None:
    run(stack, "night 1")
    back_up(place, [NAME])
    assert (stack.folder / "backups" / NAME).stat().st_mode & 0o777 == 0o700
    run(stack, "night 2")
    moment = now()
    run(stack, "night 3")
    archive_wal(stack.settings.postgres)
    lose(stack)
    base = place.run(NAME, "restore.sh", "find")
    restore(place, [NAME], moment)
    assert place.run(NAME, "restore.sh", "find") > base  # on the new timeline
    assert batches(stack) == dict.fromkeys(["night 1", "night 2"], (8, 2))
    run(stack, "night 3")
    assert batches(stack) == dict.fromkeys(["night 1", "night 2", "night 3"], (8, 2))


def test_without_a_time_all_that_is_archived_comes_back(stack: Stack, place: Processes) -> None:
    back_up(place, [NAME])
    run(stack, "night 4")
    stack.stop(NAME)  # whoever stops the server has it archive its last WAL
    shutil.rmtree(stack.folder / "data/postgres")
    restore(place, [NAME], None)
    assert batches(stack)["night 4"] == (8, 2)


def test_a_later_moment_than_the_restored_one_is_not_lost(stack: Stack, place: Processes) -> None:
    """After a restore to too early a moment, later data is still there, on another timeline."""
    back_up(place, [NAME])
    early = now()
    run(stack, "night 5")
    late = now()
    run(stack, "night 6")
    restore(place, [NAME], early)
    assert not batches(stack).keys() & {"night 5", "night 6"}
    run(stack, "night 7")
    restore(place, [NAME], late)
    assert batches(stack).keys() & {"night 5", "night 6", "night 7"} == {"night 5"}


def test_a_moment_that_no_archived_wal_reaches_is_the_end_of_the_archive(
    stack: Stack, place: Processes, capfd: pytest.CaptureFixture[str]
) -> None:
    back_up(place, [NAME])
    run(stack, "night 8")
    stack.stop(NAME)
    restore(place, [NAME], now())
    assert "night 8" in batches(stack)
    assert "Nothing in the archive is later than" in capfd.readouterr().err.replace("\n", " ")


def test_a_damaged_backup_is_refused_and_the_old_data_stays(stack: Stack, place: Processes) -> None:
    back_up(place, [NAME])
    run(stack, "night 9")
    before = batches(stack)
    with newest_backup_damaged(stack), pytest.raises(StackError, match=r"(?s)checksum.*as it was"):
        restore(place, [NAME], None)
    stack.up(NAME)
    assert batches(stack) == before


def test_ctrl_c_in_the_middle_leaves_the_old_data_as_it_was(stack: Stack, place: Processes) -> None:
    back_up(place, [NAME])
    run(stack, "night 10")
    before = batches(stack)
    private = stack.folder / "data/postgres/restored/postmaster.pid"

    def press() -> None:
        while not private.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        restore(place, [NAME], None)
    assert not private.parent.exists()
    stack.up(NAME)
    assert batches(stack) == before


def test_a_restore_that_was_killed_leaves_no_server_to_the_next_one(
    stack: Stack, place: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(place, [NAME])
    run(stack, "night 10a")
    pid_file = stack.folder / "data/postgres/restored/postmaster.pid"
    with monkeypatch.context() as patch:
        begin_with(patch, 'pg_isready() { command pg_isready "$@" && kill -9 $$; }')
        with pytest.raises(StackError):
            restore(place, [NAME], None)
    left = psutil.Process(int(pid_file.read_text().split()[0]))
    assert left.status() != psutil.STATUS_ZOMBIE
    restore(place, [NAME], None)
    assert not left.is_running() or left.status() == psutil.STATUS_ZOMBIE
    assert "night 10a" in batches(stack)


def test_a_restore_is_refused_while_another_one_runs(stack: Stack, place: Processes) -> None:
    back_up(place, [NAME])
    with (stack.folder / "backups" / NAME / "restore.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for command in ("find", "restore"):
            with pytest.raises(StackError, match="Another restore"):
                place.run(NAME, "restore.sh", command)


def test_three_backups_are_kept_and_the_wal_since_then(stack: Stack, place: Processes) -> None:
    moments = []
    for _ in range(4):
        back_up(place, [NAME])
        moments.append(now())
    kept = archived(stack)
    bases = [path for path in kept if path.parent.name == "base"]
    assert len(bases) == 3
    first = min((base / "first_wal").read_text().strip()[8:] for base in bases)
    assert min(path.name[8:24] for path in kept if path not in bases) >= first
    restore(place, [NAME], moments[1])
    with pytest.raises(StackError, match="There is no backup from before"):
        place.run(NAME, "restore.sh", "find", str(moments[0]))


def test_the_backups_of_restores_delete_none(stack: Stack, place: Processes) -> None:
    """Finding the right moment may take several restores."""
    back_up(place, [NAME])
    first = place.run(NAME, "restore.sh", "find")
    moment = now()
    for _ in range(3):
        back_up(place, [NAME], after_restore=True)
    assert place.run(NAME, "restore.sh", "find") > first
    assert place.run(NAME, "restore.sh", "find", str(moment)) == first


def test_what_was_stored_since_a_restore_without_a_backup_is_not_given_up_unasked(
    stack: Stack, place: Processes
) -> None:
    """Only a backup can recover its timeline: here the restore is killed before it takes one."""
    (stack.folder / "data/postgres/restored").mkdir()  # by a restore that was killed
    back_up(place, [NAME])
    stack.stop(NAME)
    (stack.folder / "data/postgres/restored").mkdir()
    place.run(NAME, "restore.sh", "restore")
    stack.up(NAME)
    run(stack, "night 11")
    with pytest.raises(StackError, match="make backup"):
        place.run(NAME, "restore.sh", "find")
    back_up(place, [NAME])
    restore(place, [NAME], None)
    assert "night 11" in batches(stack)


@pytest.mark.parametrize(
    ("batch", "renamed"),
    [
        ("night 11a", r"*/PG_VERSION\ */replaced/"),
        ("night 11b", r"*/global\ */replaced/"),
        ("night 11c", r"*/restored/global\ *"),
    ],
)
def test_a_restore_that_was_killed_among_its_renames_is_undone_by_the_next_one(
    stack: Stack, place: Processes, monkeypatch: pytest.MonkeyPatch, batch: str, renamed: str
) -> None:
    back_up(place, [NAME])
    run(stack, batch)
    before = batches(stack)
    with monkeypatch.context() as patch:
        begin_with(patch, killed_after(f'case "$*" in {renamed}) ;; *) false;; esac'))
        with pytest.raises(StackError):
            restore(place, [NAME], None)
    with pytest.raises(StackError, match="make restore"):
        stack.up(NAME)
    with newest_backup_damaged(stack), pytest.raises(StackError, match="checksum"):
        restore(place, [NAME], None)  # it shows what it would begin with
    data = stack.folder / "data/postgres"
    assert not {"restored", "replaced"} & {path.name for path in data.iterdir()}
    stack.up(NAME)
    assert batches(stack) == before


def test_a_restore_that_was_killed_after_its_last_rename_counts(
    stack: Stack, place: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the next restore would restore earlier data, and delete what was stored since."""
    back_up(place, [NAME])
    with monkeypatch.context() as patch:
        begin_with(patch, killed_after('[ -d "$old" ] && [ -z "$(ls -A "$new")" ]'))
        with pytest.raises(StackError):
            restore(place, [NAME], None)
    stack.up(NAME)
    run(stack, "night 12")
    with pytest.raises(StackError, match="make backup"):
        place.run(NAME, "restore.sh", "find")
    back_up(place, [NAME])
    restore(place, [NAME], None)
    assert "night 12" in batches(stack)


def test_a_restored_database_is_backed_up_before_the_next_one_is_restored(
    stack: Stack, place: Processes
) -> None:
    back_up(place, [NAME])
    base = place.run(NAME, "restore.sh", "find")
    with pytest.raises(StackError, match="There is no backup"):
        restore(place, [NAME, "my_timescaledb"], None)
    run(stack, "night 13")
    assert place.run(NAME, "restore.sh", "find") > base
    restore(place, [NAME], None)
    assert "night 13" in batches(stack)


def test_a_restored_server_that_does_not_stop_in_good_order_is_refused(
    stack: Stack, place: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(place, [NAME])
    run(stack, "night 14")
    before = batches(stack)
    with monkeypatch.context() as patch:
        begin_with(patch, 'kill() { [ "$1" != -INT ] || set -- -KILL "$2"; command kill "$@"; }')
        with pytest.raises(StackError, match=r"(?s)did not shut down cleanly.*as it was"):
            restore(place, [NAME], None)
    stack.up(NAME)
    assert batches(stack) == before


def test_a_data_folder_that_is_no_database_is_not_started_but_restored(
    stack: Stack, place: Processes
) -> None:
    back_up(place, [NAME])
    before = batches(stack)
    stack.stop(NAME)
    data = stack.folder / "data/postgres"
    shutil.rmtree(data)
    data.mkdir()
    (data / "notes.txt").write_text("not of a database")
    with pytest.raises(StackError, match="make restore"):
        stack.up(NAME)
    restore(place, [NAME], None)
    assert batches(stack) == before


def test_a_backup_is_refused_while_another_one_is_under_way(stack: Stack, place: Processes) -> None:
    back_up(place, [NAME])
    base = place.run(NAME, "restore.sh", "find")
    cluster = (stack.folder / "data/postgres/archive_id").read_text().strip()
    with (stack.folder / "backups" / NAME / cluster / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StackError, match="Another backup"):
            back_up(place, [NAME])
        assert place.run(NAME, "restore.sh", "find") == base
    back_up(place, [NAME])
    assert place.run(NAME, "restore.sh", "find") > base


def test_a_new_cluster_does_not_write_into_the_archive_of_the_lost_one(
    stack: Stack, place: Processes
) -> None:
    back_up(place, [NAME])
    kept = batches(stack)
    moment = now()
    stack.stop(NAME)
    shutil.rmtree(stack.folder / "data/postgres")
    before = archived(stack)
    stack.up(NAME)  # as who has not read that page
    archive_wal(stack.settings.postgres)
    assert archived(stack) == before
    back_up(place, [NAME])
    assert batches(stack) == {}
    restore(place, [NAME], moment)
    assert batches(stack) == kept


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["my_redis"], "my_redis is none of"),
        (["--time", "yesterday"], "is not a time"),
        (["--time", "2026-11-24T08:00:00"], "has no time zone"),
        (["--time", "2999-01-01T00:00:00Z"], "is in the future"),
    ],
)
def test_wrong_usage_is_refused_before_anything_is_looked_at(
    arguments: list[str], said: str
) -> None:
    command = [sys.executable, "-m", "backup", "restore", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr

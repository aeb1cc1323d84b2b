"""Raw rows of old batches are archived and read back: nothing is lost or doubled."""

import gzip
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection

from batch_pipeline import archive, batches, report, steps
from batch_pipeline.archive import ArchiveError
from batch_pipeline.batches import BatchError
from pipeline_common.settings import PROJECT_FOLDER
from tests.databases import as_admin
from tests.integration.batch.conftest import ledger, places, product, rows, run_batch

RECORDS: list[str | bytes] = [
    product("A"),
    product("B", price="CALL"),
    product("A", name='a "quoted", name\nin two lines'),
    "",
    "\\N",
    b"\xff\x00",
]
RAW = "SELECT to_jsonb(r)::text FROM raw_products AS r WHERE batch_id = 'run' ORDER BY id"
DONE = "SELECT count(*) FROM archived_batches"
Move = Callable[[Connection, str, Path], int]


@pytest.fixture
def run(connection: Connection) -> list[Any]:
    """A batch that is done; its raw rows."""
    run_batch(connection, "run", {"vendor": RECORDS})
    return rows(connection, RAW)


# --- There and back -------------------------------------------------------------------------------


def test_raw_rows_leave_and_the_ledger_still_adds_up(
    connection: Connection, run: list[Any], tmp_path: Path
) -> None:
    before = ledger(connection, "run")
    printed = report.generate_report(connection, "run")
    assert archive.archive(connection, "run", tmp_path) == len(RECORDS)
    assert rows(connection, RAW) == []
    assert ledger(connection, "run") == before
    assert ledger(connection, "run").adds_up
    assert report.generate_report(connection, "run") == printed


def test_raw_rows_come_back_exactly_as_they_were(
    connection: Connection, run: list[Any], tmp_path: Path
) -> None:
    archive.archive(connection, "run", tmp_path)
    assert archive.restore(connection, "run", tmp_path) == len(RECORDS)
    assert rows(connection, RAW) == run
    assert rows(connection, DONE) == [(0,)]
    assert len(places(connection, "run")) == len(RECORDS)


def test_doing_either_twice_changes_nothing(
    connection: Connection, run: list[Any], tmp_path: Path
) -> None:
    archive.archive(connection, "run", tmp_path)
    assert archive.archive(connection, "run", tmp_path) == 0
    archive.restore(connection, "run", tmp_path)
    assert archive.restore(connection, "run", tmp_path) == 0
    assert rows(connection, RAW) == run
    archive.archive(connection, "run", tmp_path)
    assert len(list(tmp_path.iterdir())) == 1  # the same rows make the same file


def test_anyone_can_read_the_file(connection: Connection, run: list[Any], tmp_path: Path) -> None:
    archive.archive(connection, "run", tmp_path)
    ((name, sha256),) = rows(connection, "SELECT file, sha256 FROM archived_batches")
    (file,) = tmp_path.iterdir()
    assert file.name == name
    checked = subprocess.run(["sha256sum", file], capture_output=True, text=True, check=True)
    assert checked.stdout.split()[0] == sha256
    assert gzip.decompress(file.read_bytes()).startswith(b"id,batch_id,source,line_number,")


@pytest.mark.parametrize("batch_id", ["../../etc/passwd", "/", "é" * 250])
def test_a_batch_of_any_name_has_a_file_in_the_folder(
    connection: Connection, tmp_path: Path, batch_id: str
) -> None:
    run_batch(connection, batch_id, {"vendor": [product("A")]})
    folder = tmp_path / "archive"
    folder.mkdir()
    archive.archive(connection, batch_id, folder)
    assert len(list(folder.iterdir())) == len(list(tmp_path.rglob("*.gz"))) == 1
    assert archive.restore(connection, batch_id, folder) == 1


# --- What is refused ------------------------------------------------------------------------------


def test_no_step_takes_an_archived_batch_for_an_empty_one(
    connection: Connection, run: list[Any], tmp_path: Path
) -> None:
    zones = places(connection, "run")
    archive.archive(connection, "run", tmp_path)
    refused = pytest.raises(BatchError, match=r"python batch_pipeline/reprocess\.py run")
    with refused:
        steps.land(connection, "run", "late vendor", [product("C")])
    for step in steps.AFTER_LANDING[:-1]:
        with refused:
            step(connection, "run")
    archive.restore(connection, "run", tmp_path)
    assert places(connection, "run") == zones


def test_a_batch_that_does_not_add_up_is_kept(
    connection: Connection, run: list[Any], tmp_path: Path
) -> None:
    with connection, connection.cursor() as cursor:
        cursor.execute("DELETE FROM quarantine_products WHERE issues = '{not_json}'")
    with pytest.raises(BatchError, match="does not add up"):
        archive.archive(connection, "run", tmp_path)
    assert rows(connection, RAW) == run


@pytest.mark.parametrize("call", ["'run', 5", "'run', 7", "'pending', 1", "'nonsense', 0"])
def test_the_pipelines_login_can_delete_no_other_rows_than_those_of_a_whole_batch_that_is_done(
    connection: Connection, run: list[Any], call: str
) -> None:
    steps.land(connection, "pending", "vendor", [product("C")])
    steps.load_to_raw_zone(connection, "pending")
    with pytest.raises(psycopg2.errors.RaiseException):
        rows(connection, f"SELECT archive_batch({call}, 'file', 'sha256')")
    for statement in (
        "DELETE FROM raw_products",
        "INSERT INTO archived_batches VALUES ('pending', 1, 1, '', '')",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            rows(connection, statement)
    assert rows(connection, RAW) == run


@pytest.mark.parametrize("damage", ["missing", "cut", "other"])
def test_a_file_that_is_not_what_was_written_is_refused_and_nothing_is_read_back(
    connection: Connection, run: list[Any], tmp_path: Path, damage: str
) -> None:
    archive.archive(connection, "run", tmp_path)
    (file,) = tmp_path.iterdir()
    data = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(data[:-9] if damage == "cut" else gzip.compress(b"id,batch_id\n"))
    with pytest.raises(ArchiveError, match=file.name):
        archive.restore(connection, "run", tmp_path)
    assert (rows(connection, RAW), rows(connection, DONE)) == ([], [(1,)])
    file.write_bytes(data)
    archive.restore(connection, "run", tmp_path)
    assert rows(connection, RAW) == run


def test_a_disk_that_gives_back_something_else_costs_no_row(
    connection: Connection, run: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real disk cannot be made to do that: the file is changed once it is written."""
    write = archive._write

    def then_spoil(cursor: Any, batch_id: str, path: Path) -> int:
        written = write(cursor, batch_id, path)
        spoilt = gzip.decompress(path.read_bytes()).replace(b"Mouse", b"Louse")
        path.write_bytes(gzip.compress(spoilt))
        return written

    monkeypatch.setattr(archive, "_write", then_spoil)
    with pytest.raises(ArchiveError, match="check the disk"):
        archive.archive(connection, "run", tmp_path)
    assert (rows(connection, RAW), rows(connection, DONE)) == (run, [(0,)])


# --- kill -9 at any moment ------------------------------------------------------------------------


def killed_at_line(login: dict[str, Any], move: Move, folder: Path, at: int) -> bool:
    """Do it in a process that is killed before it begins its line number `at`; False: it ended.

    Executed lines of archive.py are counted, and the commit after the last one.
    """
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    left = at

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal left
        if frame.f_code.co_filename != archive.__file__ and event == "call":
            return None
        left -= event in ("line", "return")
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    connection = psycopg2.connect(**login)
    sys.settrace(trace)
    move(connection, "run", folder)
    os._exit(0)


@pytest.mark.parametrize("move", [archive.archive, archive.restore])
def test_a_kill_at_any_moment_loses_and_doubles_nothing(
    connection: Connection,
    pipeline_db: dict[str, Any],
    run: list[Any],
    tmp_path: Path,
    move: Move,
) -> None:
    zones = places(connection, "run")
    at, kills, done = 1, 0, 0
    while True:
        if move is archive.restore:
            archive.archive(connection, "run", tmp_path)
        if not killed_at_line(pipeline_db, move, tmp_path, at):
            break
        kills += 1
        steps.mark_processed(connection, "run")  # waits for its lock, and adds the batch up
        ((files,),) = rows(connection, DONE)
        done += files
        assert len(rows(connection, RAW)) == (0 if files else len(RECORDS))
        archive.restore(connection, "run", tmp_path)
        assert rows(connection, RAW) == run
        assert places(connection, "run") == zones
        at += 1
    assert kills > 10
    assert 0 < done < kills  # killed before and after the commit


# --- The scripts ----------------------------------------------------------------------------------


@pytest.fixture
def environment(pipeline_db: dict[str, Any], tmp_path: Path) -> dict[str, str]:
    """The settings of the fresh database, and of a folder that is not there yet."""
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD"}
    names["dbname"] = "PGDATABASE"
    login = {names[key]: str(value) for key, value in pipeline_db.items()}
    return os.environ | login | {"ARCHIVE_FOLDER": str(tmp_path / "archive")}


def script(name: str, *arguments: str, environment: dict[str, str]) -> Any:
    return subprocess.run(
        [sys.executable, f"batch_pipeline/{name}.py", *arguments],
        cwd=PROJECT_FOLDER,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_only_old_batches_that_are_done_are_archived_and_reprocess_reads_them_back(
    connection: Connection, environment: dict[str, str], pipeline_db: dict[str, Any]
) -> None:
    for batch_id in ("old", "young"):
        run_batch(connection, batch_id, {"vendor": [product("A"), product("B", price=0)]})
    steps.land(connection, "pending", "vendor", [product("C")])
    steps.load_to_raw_zone(connection, "pending")
    age = "UPDATE batches SET ingested_at = now() - interval '91 days' WHERE batch_id <> 'young'"
    with closing(psycopg2.connect(**as_admin(pipeline_db))) as admin, admin:
        admin.cursor().execute(age)
    done = script("archive", "--older-than", "90", environment=environment)
    assert (done.returncode, done.stdout) == (0, "old: 2 raw rows\n"), done.stderr
    assert "1 of 1 batch archived in" in done.stderr
    assert batches.batch_ids(connection) == ["sample", "pending", "young"]

    dry = script("reprocess", "old", "--dry-run", environment=environment)
    assert dry.stdout == "No row would move.\n", dry.stderr
    assert rows(connection, DONE) == [(1,)]
    done = script("reprocess", "--all", environment=environment)
    assert "Quality report of batch old" in done.stdout, done.stderr
    assert rows(connection, DONE) == [(0,)]
    assert places(connection, "old") == {"vendor/1": "superseded", "vendor/2": "price_not_positive"}


def test_a_missing_file_keeps_no_other_batch_from_being_reprocessed(
    run: list[Any], connection: Connection, environment: dict[str, str]
) -> None:
    run_batch(connection, "later", {"vendor": [product("A")]})
    folder = Path(environment["ARCHIVE_FOLDER"])
    folder.mkdir()
    archive.archive(connection, "run", folder)
    (file,) = folder.iterdir()
    file.unlink()
    done = script("reprocess", "--all", environment=environment)
    assert done.returncode == 1
    assert "Quality report of batch later" in done.stdout
    assert file.name in done.stderr
    assert "set ARCHIVE_FOLDER" in done.stderr
    assert rows(connection, DONE) == [(1,)]


def test_it_archives_nothing_unless_an_age_is_given(
    run: list[Any], connection: Connection, environment: dict[str, str]
) -> None:
    assert script("archive", environment=environment).returncode == 2
    assert rows(connection, RAW) == run

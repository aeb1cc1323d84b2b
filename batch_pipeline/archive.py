"""Move the raw rows of old batches out of the database, into a compressed file for each batch.

\b
python batch_pipeline/archive.py --older-than 90    # batches that came in more than 90 days ago

Nothing runs this automatically. Only raw rows leave; clean, superseded and quarantined rows stay,
so each batch still adds up. batch_pipeline/reprocess.py reads a file back before it re-validates
the batch.
"""

if __name__ == "__main__":
    try:
        from pipeline_common.at_start import ready_for_ctrl_c

        ready_for_ctrl_c()
    except ModuleNotFoundError:
        raise SystemExit("Activate the environment first: source .venv/bin/activate") from None

import gzip
import hashlib
import os
import shlex
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from batch_pipeline import batches
from batch_pipeline.batches import BatchError
from batch_pipeline.database import connect, locked_transaction
from batch_pipeline.ledger import read_ledger
from pipeline_common.console import counted, run, stderr
from pipeline_common.errors import StackError
from pipeline_common.settings import PROJECT_FOLDER, Settings
from pipeline_common.sql_files import read_sql
from pipeline_common.untrusted import visible

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

READ_BYTES = 1 << 20
NAME_CHARACTERS = 150  # of a batch id in a file name; file systems allow 255 bytes
app = typer.Typer(help=__doc__, add_completion=False)


class ArchiveError(StackError):
    """A file does not hold what was written; the message names it. The database is unchanged."""


def archive_folder() -> Path:
    """Where the files are; a relative path is relative to the project's folder."""
    return PROJECT_FOLDER / Settings().archive_folder


def archive(connection: "Connection", batch_id: str, folder: Path) -> int:
    """Write the raw rows of a batch to a file and delete them; returns their number.

    The rows are deleted, in one transaction, once the file is on disk and was read back. If this is
    killed earlier, they are still there, and the file is only a copy. Raises BatchError if the
    batch does not add up, ArchiveError if the file does not contain what was written.
    """
    with locked_transaction(connection, batch_id) as cursor:
        if batches.archived(cursor, batch_id):
            return 0
        if not read_ledger(cursor, batch_id).adds_up:
            raise BatchError(
                f"Batch {batch_id} does not add up: re-validate it first, with "
                f"python batch_pipeline/reprocess.py {shlex.quote(batch_id)}"
            )
        # The batch is locked, so no other process uses this name; a killed run's file is replaced.
        id_hash = hashlib.sha256(batch_id.encode()).hexdigest()[:16]
        unfinished = folder / f"{id_hash}.unfinished"
        rows = _write(cursor, batch_id, unfinished)
        _read_back(cursor, unfinished)
        cursor.execute(read_sql("batch/count_read_back"), {"batch_id": batch_id})
        if cursor.fetchone() != (rows,):
            raise ArchiveError(
                f"{unfinished} does not hold what was written, so the rows stay in the database:"
                " check the disk, or choose another folder with ARCHIVE_FOLDER."
            )
        cursor.execute("DROP TABLE read_back")
        sha256 = sha256_of(unfinished)
        # With the checksum in its name, a file never replaces one with other rows.
        name = f"{quote(batch_id, safe='')[:NAME_CHARACTERS]}.{sha256[:16]}.csv.gz"
        unfinished.replace(folder / name)
        _sync(folder)
        file = {"batch_id": batch_id, "rows": rows, "file": name, "sha256": sha256}
        cursor.execute(read_sql("batch/archive"), file)
    return rows


def restore(connection: "Connection", batch_id: str, folder: Path) -> int:
    """Restore a batch's raw rows from its file, exactly as they were; returns their number.

    0 if the batch is not archived. The file stays. Raises ArchiveError if it is missing or changed.
    """
    with locked_transaction(connection, batch_id) as cursor:
        file = batches.archived(cursor, batch_id)
        if file is None:
            return 0
        path = folder / file.name
        try:
            same = sha256_of(path) == file.sha256
        except OSError as error:
            raise ArchiveError(
                f"The raw rows of batch {batch_id} are in {path}, which cannot be read"
                f" ({error.strerror}): put the file there, or set ARCHIVE_FOLDER to where it is."
            ) from None
        if not same:
            raise ArchiveError(
                f"{path} has changed since it was written: put an unchanged copy in its place."
            )
        _read_back(cursor, path)
        cursor.execute(read_sql("batch/restore"), {"batch_id": batch_id})
        rows = cursor.rowcount
        cursor.execute("DROP TABLE read_back")
        cursor.execute(read_sql("batch/forget_archive"), {"batch_id": batch_id})
    return rows


def _write(cursor: "Cursor", batch_id: str, path: Path) -> int:
    """Copy the rows to the file and flush it to disk; returns their number."""
    copy = cursor.mogrify(read_sql("batch/copy_to_archive"), {"batch_id": batch_id})
    with path.open("wb") as file:
        # Without a name and a time in its header, the same rows give the same file.
        with gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as compressed:
            cursor.copy_expert(copy, compressed, size=READ_BYTES)
        file.flush()
        os.fsync(file.fileno())
    return int(cursor.rowcount)


def _read_back(cursor: "Cursor", path: Path) -> None:
    """Fill the temporary table read_back with the rows of the file."""
    cursor.execute(read_sql("batch/create_read_back"))
    with gzip.open(path) as file:
        cursor.copy_expert(read_sql("batch/copy_to_read_back"), file, size=READ_BYTES)


def sha256_of(path: Path) -> str:
    """The checksum of a file, as sha256sum prints it; raises OSError."""
    checksum = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(READ_BYTES):
            checksum.update(data)
    return checksum.hexdigest()


def _sync(folder: Path) -> None:
    """Flush the folder's entries to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@app.command(help=__doc__)
def main(
    older_than: Annotated[
        int, typer.Option(min=0, max=36_500, help="Days since the batch came in.")
    ],
) -> None:
    folder = archive_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with closing(connect(Settings().postgres)) as connection:
        batch_ids = batches.batches_to_archive(connection, older_than)
        done = 0
        try:
            for batch_id in batch_ids:
                rows = archive(connection, batch_id, folder)
                print(f"{visible(batch_id)}: {counted(rows, 'raw row')}", flush=True)
                done += 1
        finally:
            stderr.print(f"{done} of {counted(len(batch_ids), 'batch')} archived in {folder}")


if __name__ == "__main__":
    run(app)

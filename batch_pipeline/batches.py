"""Which batch a run works on, and the list of all batches."""

import shlex
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from batch_pipeline.database import locked_transaction
from pipeline_common.errors import StackError
from pipeline_common.sql_files import read_sql

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor


class BatchError(StackError):
    """A batch cannot continue; the message says why and what to do next."""


def batch_of_run(
    connection: "Connection",
    run_id: str,
    product_date: date,
    *,
    due_at: datetime | None = None,
    run_started_at: datetime | None = None,
    cleared: bool = False,
) -> str:
    """The id of the run's batch, which is stored in `batches` on the first call.

    It is the run id. But Airflow reuses the id of a run that was deleted: such a new run gets
    "run id#2", so that its rows never mix with the old ones. A run is identified by its start time
    and, once it was `cleared`, which starts it again, by `due_at`: when it was triggered. Only a
    scheduled run that was deleted and created again has the same `due_at`.
    """
    run = {"run_id": run_id, "due_at": due_at, "run_started_at": run_started_at}
    with locked_transaction(connection, f"run {run_id}") as cursor:
        cursor.execute(read_sql("batch/batches_of_run"), run | {"cleared": cleared})
        newest, number, is_its_own = cursor.fetchone() or (None, 0, False)
        if is_its_own:
            return str(newest)
        batch_id = f"{run_id}#{number + 1}" if number else run_id
        batch = {"batch_id": batch_id, "product_date": product_date}
        cursor.execute(read_sql("batch/add_batch"), run | batch)
    return batch_id


def batch_ids(connection: "Connection", *, archived: bool = False) -> list[str]:
    """Every batch in the raw zone, oldest first; optionally with the archived ones."""
    return _batch_ids(connection, "batches", {"archived": archived})


def batches_to_archive(connection: "Connection", days: int) -> list[str]:
    """The batches that are done and were ingested at least that many days ago, oldest first."""
    return _batch_ids(connection, "batches_to_archive", {"days": days})


def _batch_ids(connection: "Connection", name: str, values: dict[str, Any]) -> list[str]:
    with connection, connection.cursor() as cursor:
        cursor.execute(read_sql(f"batch/{name}"), values)
        return [batch_id for (batch_id,) in cursor.fetchall()]


class File(NamedTuple):
    """The file that holds the raw rows of an archived batch."""

    name: str
    sha256: str


def archived(cursor: "Cursor", batch_id: str) -> File | None:
    """The batch's file, or None if its raw rows are in the table."""
    cursor.execute(read_sql("batch/archived"), {"batch_id": batch_id})
    found = cursor.fetchone()
    return None if found is None else File(*found)


def refuse_archived(cursor: "Cursor", batch_id: str) -> None:
    """Raise BatchError if the batch is archived: to a step, it would seem to have no raw rows."""
    if file := archived(cursor, batch_id):
        raise BatchError(
            f"The raw rows of batch {batch_id} are archived in {file.name}; to read them back and "
            f"re-validate them: python batch_pipeline/reprocess.py {shlex.quote(batch_id)}"
        )

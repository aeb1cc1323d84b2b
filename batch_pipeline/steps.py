"""What the tasks of product_batch_pipeline do: one function for each, in the order of the DAG.

Each is one transaction, so a task that is killed leaves nothing behind, and each is idempotent: it
replaces or completes what an earlier attempt did. Those that need the raw rows of a batch raise
BatchError if it is archived. `batch_id` identifies a batch; rows stay in pipeline_db, and the
functions return only counts.
"""

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import psycopg2

from batch_pipeline.batches import BatchError, refuse_archived
from batch_pipeline.database import (
    copy_lines,
    escape,
    locked_transaction,
    slice_transaction,
)
from batch_pipeline.landing import landing_columns
from batch_pipeline.ledger import misplaced_rows, read_ledger
from batch_pipeline.parameters import check_batch_id
from batch_pipeline.slices import WHOLE, Slice
from batch_pipeline.verdicts import verdict_lines
from pipeline_common.sql_files import read_sql

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

#: The errors that PostgreSQL raises for a text that cannot be cast to jsonb.
JSON_ERRORS = (
    psycopg2.DataError,
    psycopg2.errors.StatementTooComplex,
    psycopg2.errors.ProgramLimitExceeded,
)

log = logging.getLogger(__name__)


def count(cursor: "Cursor", name: str, values: dict[str, Any]) -> int:
    """The number that the query returns."""
    cursor.execute(read_sql(f"batch/{name}"), values)
    return int((cursor.fetchone() or (0,))[0])


def land(
    connection: "Connection", batch_id: str, source: str, records: Iterable[str | bytes]
) -> int:
    """Land a vendor's records, all or none; does nothing if they were landed before.

    Raises ParameterError if the batch id is not valid.
    """
    check_batch_id(batch_id)
    with locked_transaction(connection, f"{batch_id} {source}") as cursor:
        refuse_archived(cursor, batch_id)
        cursor.execute(read_sql("batch/landed_before"), {"batch_id": batch_id, "source": source})
        if landed := cursor.fetchone():
            return int(landed[0])
        cursor.execute(
            read_sql("batch/add_batch"),
            {
                "batch_id": batch_id,
                "run_id": batch_id,
                "product_date": None,
                "due_at": None,
                "run_started_at": None,
            },
        )
        begin = f"{escape(batch_id)}\t{escape(source)}"
        lines = (
            f"{begin}\t{number}\t{landing_columns(record)}\n"
            for number, record in enumerate(records, start=1)
        )
        rows = copy_lines(cursor, read_sql("batch/copy_to_landing"), lines)
        extraction = {"batch_id": batch_id, "source": source, "rows": rows}
        cursor.execute(read_sql("batch/record_extraction"), extraction)
        # Without statistics on these rows, the planner would sort them.
        cursor.execute("SELECT analyze_landing_products()")
    log.info("batch %s: records landed from %s: %d", batch_id, source, rows)
    return rows


def load_to_raw_zone(connection: "Connection", batch_id: str, expected: Iterable[str] = ()) -> int:
    """Move the landed records to raw_products as received; returns how many raw rows there are.

    `expected` are the vendors to be scraped; the report lists those that were never landed.
    Raises ParameterError if the batch id is not valid, BatchError if the batch has no rows: no
    vendor could be read, or there is no such batch.
    """
    check_batch_id(batch_id)
    with locked_transaction(connection, batch_id) as cursor:
        refuse_archived(cursor, batch_id)
        for source in expected:
            cursor.execute(
                read_sql("batch/expect_source"), {"batch_id": batch_id, "source": source}
            )
        received = count(cursor, "count_received", {"batch_id": batch_id})  # by earlier attempts
        received += _move_to_raw_zone(cursor, batch_id)
    if not received:
        raise BatchError(
            f"Batch {batch_id} has no raw rows: there is no such batch, or none of its vendors "
            "could be read (then see the log of extract_products, and clear that task)."
        )
    return received


def _move_to_raw_zone(cursor: "Cursor", batch_id: str) -> int:
    # Casting all rows takes a quarter of the time of checking each one first, but the first row
    # that cannot be cast ends the statement.
    cursor.execute("SAVEPOINT landed")
    try:
        cursor.execute(read_sql("batch/load_to_raw_zone"), {"batch_id": batch_id, "all_json": True})
    except JSON_ERRORS:
        cursor.execute("ROLLBACK TO SAVEPOINT landed")
        cursor.execute(
            read_sql("batch/load_to_raw_zone"), {"batch_id": batch_id, "all_json": False}
        )
    return cursor.rowcount


def validate(connection: "Connection", batch_id: str, part: Slice = WHOLE) -> int:
    """Validate a slice's raw rows by today's rules, store the verdicts; returns how many pass."""
    if part == WHOLE:  # one lock, not 64: a dry run of all batches keeps its locks
        transaction = locked_transaction(connection, batch_id)
    else:
        transaction = slice_transaction(connection, batch_id, f"verdicts of {batch_id}", part)
    with transaction as cursor:
        refuse_archived(cursor, batch_id)
        rows = {"batch_id": batch_id} | part._asdict()
        cursor.execute(read_sql("batch/delete_verdicts"), rows)
        copy_lines(cursor, read_sql("batch/copy_verdicts"), verdict_lines(connection, rows))
        return count(cursor, "count_valid", rows)


def load_to_clean_zone(connection: "Connection", batch_id: str, part: Slice = WHOLE) -> int:
    """Load a slice's products, the newest row of each; returns how many rows were accepted.

    Accepted rows are those in clean_products and those that a newer row has superseded. Two batches
    with the same product must see each other's row, so slices with a common part run one by one.
    """
    with slice_transaction(connection, batch_id, "clean_products", part) as cursor:
        refuse_archived(cursor, batch_id)
        rows = {"batch_id": batch_id} | part._asdict()
        cursor.execute(read_sql("batch/withdraw_from_clean_zone"), rows)
        if cursor.rowcount:
            cursor.execute(read_sql("batch/bring_back_superseded"))
        cursor.execute(read_sql("batch/accept"), rows)
        superseded = 0
        if count(cursor, "meets_clean_zone", {}):
            cursor.execute(read_sql("batch/record_superseded"))
            superseded = cursor.rowcount
            cursor.execute(read_sql("batch/supersede_older"))
        cursor.execute(read_sql("batch/load_to_clean_zone"))
        accepted = superseded + cursor.rowcount
        cursor.execute("DROP TABLE withdrawn, accepted")
    return accepted


def load_to_quarantine(connection: "Connection", batch_id: str) -> int:
    """Replace the batch's rows in quarantine by those rejected today; returns their number.

    It runs in parallel to the slices of load_to_clean_zone, as a single slice: under one lock.
    """
    name = f"quarantine of {batch_id}"
    with slice_transaction(connection, batch_id, name, Slice(0, 1)) as cursor:
        refuse_archived(cursor, batch_id)
        cursor.execute(read_sql("batch/load_to_quarantine"), {"batch_id": batch_id})
        return cursor.rowcount


def mark_processed(connection: "Connection", batch_id: str) -> int:
    """Mark the raw rows as processed; raises BatchError unless every one is accounted for."""
    with locked_transaction(connection, batch_id) as cursor:
        ledger = read_ledger(cursor, batch_id)
        if not ledger.adds_up:
            raise BatchError(
                f"Batch {batch_id} does not add up: {misplaced_rows(cursor, batch_id)}. Clear "
                "validate_products to validate and load it again."
            )
        cursor.execute(read_sql("batch/mark_processed"), {"batch_id": batch_id})
    return ledger.received


#: The steps for a landed batch, in the order of the DAG; report.generate_report comes after them.
AFTER_LANDING: "tuple[Callable[[Connection, str], int], ...]" = (
    load_to_raw_zone,
    validate,
    load_to_clean_zone,
    load_to_quarantine,
    mark_processed,
)

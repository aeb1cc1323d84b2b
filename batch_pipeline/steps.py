"""What the tasks of product_batch_pipeline do, one function for each, in their order.

Each is one transaction, so a task that is killed leaves nothing behind, and each can be repeated:
it replaces or completes what an earlier attempt did. A batch is named by its `batch_id`; rows stay
in pipeline_db, the functions return only counts.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import psycopg2

from batch_pipeline.database import CHUNK, copy_lines, escape, locked_transaction, query
from batch_pipeline.validator import RULE_VERSION, Verdict, judge

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

log = logging.getLogger(__name__)

ALL_BATCHES = "all"

# What PostgreSQL text cannot hold is kept as its JSON escape; the rules quarantine such a record.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class BatchError(Exception):
    """A batch cannot go on; the message says why and what to do next."""


class Ledger(NamedTuple):
    """Rows of one batch: how many came in, and where they are."""

    received: int
    clean: int
    superseded: int
    quarantined: int

    @property
    def adds_up(self) -> bool:
        """Whether every row is in exactly one place."""
        return self.received == self.clean + self.superseded + self.quarantined


def read_ledger(cursor: "Cursor", batch_id: str) -> Ledger:
    """Count the batch's rows in the tables."""
    cursor.execute(query("ledger"), {"batch_id": batch_id})
    return Ledger(*(cursor.fetchone() or ()))


def count(cursor: "Cursor", name: str, batch_id: str) -> int:
    """The one number that the query gives."""
    cursor.execute(query(name), {"batch_id": batch_id})
    return int((cursor.fetchone() or (0,))[0])


def batch_ids(connection: "Connection", selection: str) -> list[str]:
    """Every batch of the raw zone if `selection` is "all", oldest first; else that one batch."""
    if selection != ALL_BATCHES:
        return [selection]
    with connection, connection.cursor() as cursor:
        cursor.execute(query("batches"))
        return [batch_id for (batch_id,) in cursor.fetchall()]


def land(connection: "Connection", batch_id: str, source: str, records: Iterable[str]) -> int:
    """Land a vendor's records, all or none; if they were landed before, leave them as they are."""
    with locked_transaction(connection, f"{batch_id} {source}") as cursor:
        cursor.execute(query("landed_before"), {"batch_id": batch_id, "source": source})
        if landed := cursor.fetchone():
            return int(landed[0])
        begin = f"{escape(batch_id)}\t{escape(source)}"
        lines = (
            f"{begin}\t{number}\t{escape(UNSTORABLE.sub(_as_json_escape, record))}\n"
            for number, record in enumerate(records, start=1)
        )
        rows = copy_lines(cursor, query("copy_to_landing"), lines)
        extraction = {"batch_id": batch_id, "source": source, "rows": rows}
        cursor.execute(query("record_extraction"), extraction)
        # Else the planner, who has not heard of these rows yet, would sort them to be moved.
        cursor.execute("ANALYZE landing_products")
    log.info("batch %s: landed %d records of %s", batch_id, rows, source)
    return rows


def _as_json_escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def load_to_raw_zone(connection: "Connection", batch_id: str, expected: Iterable[str] = ()) -> int:
    """Move what was landed to raw_products as received; returns the batch's raw rows.

    `expected` are the vendors that were to be scraped; the report names those that never landed.
    Raises BatchError if the batch has no rows: no vendor could be read, or there is no such batch.
    """
    with locked_transaction(connection, batch_id) as cursor:
        for source in expected:
            cursor.execute(query("expect_source"), {"batch_id": batch_id, "source": source})
        received = count(cursor, "count_received", batch_id)  # by earlier attempts
        received += _move_to_raw_zone(cursor, batch_id)
    if not received:
        raise BatchError(
            f"Batch {batch_id} has no raw rows: there is no such batch, or none of its vendors "
            "could be read (then see the log of extract_products, and clear that task)."
        )
    return received


def _move_to_raw_zone(cursor: "Cursor", batch_id: str) -> int:
    # To cast all rows takes a quarter of the time of asking for each whether it can be cast, but
    # the first one that cannot be ends the statement.
    cursor.execute("SAVEPOINT landed")
    try:
        cursor.execute(query("load_to_raw_zone"), {"batch_id": batch_id, "all_json": True})
    except (psycopg2.DataError, psycopg2.errors.StatementTooComplex):
        cursor.execute("ROLLBACK TO SAVEPOINT landed")
        cursor.execute(query("load_to_raw_zone"), {"batch_id": batch_id, "all_json": False})
    return cursor.rowcount


def validate(connection: "Connection", batch_id: str) -> int:
    """Judge every raw row of the batch by today's rules, store the verdicts; returns the valid."""
    with locked_transaction(connection, batch_id) as cursor:
        batch = {"batch_id": batch_id}
        cursor.execute("DELETE FROM product_verdicts WHERE batch_id = %(batch_id)s", batch)
        copy_lines(cursor, query("copy_verdicts"), _verdict_lines(connection, batch_id))
        cursor.execute(query("mark_duplicates"), batch)
        return count(cursor, "count_valid", batch_id)


def _verdict_lines(connection: "Connection", batch_id: str) -> Iterator[str]:
    """Read the batch through a server-side cursor: memory does not grow with the batch."""
    batch = escape(batch_id)
    with connection.cursor(name="raw_rows") as raw_rows:
        raw_rows.itersize = CHUNK
        raw_rows.execute(query("read_raw_zone"), {"batch_id": batch_id})
        for raw_id, source, ingestion_time, raw_text in raw_rows:
            row = f"{raw_id}\t{batch}\t{escape(source)}\t{ingestion_time}\t{RULE_VERSION}"
            yield f"{row}\t{_verdict_columns(judge(raw_text))}\n"


def _verdict_columns(verdict: Verdict) -> str:
    product_id, name, price, stock, category, issues = verdict
    if issues is not None:
        return f"\t\t\t\t\t{issues}"
    columns = f"{product_id}\t{name}\t{price}\t{stock}\t{category or ''}\t"
    return columns.replace("\\", r"\\")  # the rules leave no tab and no end of line in a text


def load_to_clean_zone(connection: "Connection", batch_id: str) -> int:
    """Load the valid rows, newest by ingestion for each product; returns the batch's accepted rows.

    Accepted are those in clean_products and those that a newer row has superseded.
    """
    # One batch at a time: two that hold the same product must see each other's row.
    with locked_transaction(connection, "clean_products", batch_id) as cursor:
        batch = {"batch_id": batch_id}
        cursor.execute(query("withdraw_from_clean_zone"), batch)
        superseded = 0
        if count(cursor, "meets_clean_zone", batch_id):
            cursor.execute(query("supersede_older"), batch)
            cursor.execute(query("record_superseded"), batch)
            superseded = cursor.rowcount
        cursor.execute(query("load_to_clean_zone"), batch)
        return superseded + cursor.rowcount


def load_to_quarantine(connection: "Connection", batch_id: str) -> int:
    """Replace the batch's rows in quarantine by today's rejected ones; returns their number."""
    with locked_transaction(connection, batch_id) as cursor:
        cursor.execute(query("load_to_quarantine"), {"batch_id": batch_id})
        return cursor.rowcount


def mark_processed(connection: "Connection", batch_id: str) -> int:
    """Mark the raw rows as processed, once each one is accounted for; raises BatchError if not."""
    with locked_transaction(connection, batch_id) as cursor:
        ledger = read_ledger(cursor, batch_id)
        if not ledger.adds_up:
            raise BatchError(
                f"Batch {batch_id} does not add up: {ledger}. Clear validate_products to judge and "
                "load it again."
            )
        cursor.execute(query("mark_processed"), {"batch_id": batch_id})
    return ledger.received


#: What is done with a landed batch, in the order of the DAG; then comes report.generate_report.
AFTER_LANDING: "tuple[Callable[[Connection, str], int], ...]" = (
    load_to_raw_zone,
    validate,
    load_to_clean_zone,
    load_to_quarantine,
    mark_processed,
)

"""Where the rows of a batch are: each raw row has to be in exactly one zone."""

from typing import TYPE_CHECKING, NamedTuple

from pipeline_common.sql_files import read_sql

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor


class Ledger(NamedTuple):
    """The rows of one batch: how many were received, and where they are."""

    received: int
    clean: int
    superseded: int
    quarantined: int
    same_rows: bool = True  # whether the zones have exactly the rows that were received, each once

    @property
    def adds_up(self) -> bool:
        """Whether every row is in exactly one zone."""
        return self.same_rows and self.received == self.clean + self.superseded + self.quarantined


def read_ledger(cursor: "Cursor", batch_id: str) -> Ledger:
    """Count and compare the batch's rows in the tables."""
    cursor.execute(read_sql("batch/ledger"), {"batch_id": batch_id})
    return Ledger(*(cursor.fetchone() or ()))


def misplaced_rows(cursor: "Cursor", batch_id: str) -> str:
    """The first ten rows that are not in exactly one zone: "row 7 is in no zone, …"."""
    cursor.execute(read_sql("batch/misplaced_rows"), {"batch_id": batch_id})
    return ", ".join(f"row {raw_id} is {places}" for raw_id, places in cursor.fetchall())

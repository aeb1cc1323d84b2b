"""What a re-validation would change: it runs, is compared with before, and is rolled back."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from batch_pipeline import archive, steps
from batch_pipeline.database import OneTransaction
from pipeline_common.console import counted
from pipeline_common.sql_files import read_sql
from pipeline_common.tables import screen_width, table

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor

ROWS_SHOWN = 20


class Move(NamedTuple):
    """A raw row, and where it was and would be: a zone, with the reason codes in quarantine."""

    batch_id: str
    source: str
    line_number: int
    old_place: str
    old_issues: list[str] | None
    new_place: str
    new_issues: list[str] | None

    @property
    def way(self) -> tuple[str, str]:
        """From where to where, each with its reasons."""
        old = _with_reasons(self.old_place, self.old_issues)
        return old, _with_reasons(self.new_place, self.new_issues)


def _with_reasons(place: str, issues: list[str] | None) -> str:
    return f"{place}: {', '.join(issues)}" if issues else place


def moves(connection: OneTransaction, batch_ids: Sequence[str]) -> list[Move]:
    """The rows that would move, including those of other batches; changes nothing."""
    try:
        for batch_id in batch_ids:
            archive.restore(connection, batch_id, archive.archive_folder())
        with connection.cursor() as cursor:
            _note_places(cursor, "places_before")
            for batch_id in batch_ids:
                for step in steps.AFTER_LANDING:
                    step(connection, batch_id)
            _note_places(cursor, "places_after")
            cursor.execute(read_sql("batch/moves"))
            return [Move(*row) for row in cursor.fetchall()]
    finally:
        connection.rollback()


def _note_places(cursor: "Cursor", name: str) -> None:
    cursor.execute(f"CREATE TEMPORARY TABLE {name} AS {read_sql('batch/places')}")


def moves_table(found: Sequence[Move]) -> str:
    """How many rows would move, from where to where, and the first few of them."""
    if not found:
        return "No row would move."
    counts = Counter(move.way for move in found)
    ways: list[Sequence[Any]] = [(*way, rows) for way, rows in counts.most_common()]
    first = [(*move[:3], *move.way) for move in found[:ROWS_SHOWN]]
    return "\n\n".join(
        [
            table(ways, ["from", "to", "rows"], screen_width()),
            f"{len(first)} of {counted(len(found), 'row')}:",
            table(first, ["batch", "vendor", "line", "from", "to"], screen_width()),
            "Nothing was changed: this was a dry run.",
        ]
    )

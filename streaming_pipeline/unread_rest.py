"""A Kafka record batch that could not be read is one row in quarantine; what if it is readable now?

The row has the first offset that could not be read, and stands for the rest of its record batch,
however many records that is; the ledger counts it as one. Once the batch can be decoded, a replay
stores and counts each of its records. The row's offset moves past them, and the row is deleted with
the last one. So the ledger balances after each transaction, wherever that ends within the batch.
"""

from datetime import datetime
from struct import unpack_from
from typing import Any, NamedTuple

from psycopg2.extensions import cursor as Cursor

from pipeline_common.sql_files import read_sql
from streaming_pipeline.places import INVALID, Place
from streaming_pipeline.record import UNREADABLE, Record

#: Where a record batch has its base offset, magic byte (format) and last offset delta.
_BASE, _MAGIC, _DELTA, _HEAD_BYTES = 0, 16, 23, 27


class Rest(NamedTuple):
    """A row in quarantine, and the offsets that it stands for: its own up to `last`."""

    offset: int
    last: int
    time: datetime

    @property
    def place(self) -> Place:
        """Where its records are; without a rule version, since no rule has validated them."""
        return Place(INVALID, self.time, None, [UNREADABLE])


def last_offset(offset: int, head: bytes) -> int:
    """The last offset of the batch that begins with the bytes `head` and contains `offset`."""
    if len(head) < _HEAD_BYTES or head[_MAGIC] != 2:
        return offset
    base: int = unpack_from(">q", head, _BASE)[0]
    delta: int = unpack_from(">i", head, _DELTA)[0]
    return max(offset, base + delta)


def readable_rests(
    cursor: Cursor, these: dict[str, Any], records: list[Record], start: int, after: int
) -> list[Rest]:
    """The rests that the stretch from `start` up to before `after` has read at least in part."""
    cursor.execute(read_sql("stream/find_rests"), these | {"start": start, "after": after})
    rests = [
        Rest(offset, last_offset(offset, bytes(head or b"")), time) for offset, time, head in cursor
    ]
    return [rest for rest in rests if _is_read(rest, records, start)]


def _is_read(rest: Rest, records: list[Record], start: int) -> bool:
    """Whether a stretch has read some of it, or shows that Kafka has compacted it away."""
    if some := _of(rest, records):
        return some[0].offset > rest.offset or some[0].fault != UNREADABLE
    before = [record for record in records if record.offset < rest.offset]
    return rest.offset >= start and not (before and before[-1].fault == UNREADABLE)


def _of(rest: Rest, records: list[Record]) -> list[Record]:
    return [record for record in records if rest.offset <= record.offset <= rest.last]


def give_places(
    rests: list[Rest], records: list[Record], before: dict[int, Place], expired: set[int]
) -> int:
    """Add to `before` the rests' records that have no row of their own; returns how many.

    Records in `expired`, whose rows retention has deleted, had one and are counted already.
    """
    count = 0
    for rest in rests:
        for record in _of(rest, records):
            if record.offset not in before and record.offset not in expired:
                before[record.offset] = rest.place
                count += 1
    return count


def move_on(
    cursor: Cursor, these: dict[str, Any], rests: list[Rest], start: int, after: int
) -> int:
    """Move the rests' rows past the stretch; returns how many are used up, and so deleted.

    They skip offsets that are in quarantine already.
    """
    deleted = 0
    for rest in rests:
        if rest.offset < start:  # it still stands for the offsets before the stretch
            continue
        cursor.execute(
            read_sql("stream/find_quarantined"), these | {"first": after, "last": rest.last}
        )
        taken = {offset for (offset,) in cursor}
        to = next((offset for offset in range(after, rest.last + 1) if offset not in taken), None)
        deleted += to is None
        query = "stream/delete_rest" if to is None else "stream/move_rest"
        cursor.execute(read_sql(query), these | rest._asdict() | {"to": to})
    return deleted

"""Which offsets the row of an unreadable record batch stands for."""

import struct
from datetime import datetime, timezone

import pytest

from streaming_pipeline.places import VALID, Place
from streaming_pipeline.record import UNREADABLE, Record
from streaming_pipeline.unread_rest import Rest, give_places, last_offset

TIME = datetime(2026, 11, 24, 9, tzinfo=timezone.utc)


def head(base: int, delta: int, magic: int = 2) -> bytes:
    """The beginning of a record batch: its last offset is `delta` beyond its first."""
    return struct.pack(">qiibihi", base, 9999, 0, magic, 0, 0, delta)


@pytest.mark.parametrize(
    ("offset", "beginning", "last"),
    [
        (5, head(5, 3), 8),
        (7, head(5, 3), 8),
        (5, head(5, 0), 5),
        (5, head(2**40, 2**31 - 1), 2**40 + 2**31 - 1),
        (9, head(5, 3), 9),  # it is in no batch that ends before it
        (5, head(5, 3, magic=1), 5),  # of a format without that field
        (5, head(5, 3)[:-1], 5),
        (5, b"", 5),
    ],
)
def test_it_ends_where_its_batch_ends(offset: int, beginning: bytes, last: int) -> None:
    assert last_offset(offset, beginning) == last


def test_a_record_that_is_or_was_somewhere_keeps_its_place_and_each_is_counted_once() -> None:
    records = [Record(0, offset, 0, False, None, b"") for offset in range(8)]
    rests = [Rest(2, 5, TIME), Rest(4, 6, TIME)]
    somewhere = Place(VALID, TIME, "s")
    before = {5: somewhere}
    assert give_places(rests, records, before, expired={3}) == 3
    assert before == dict.fromkeys([2, 4, 6], rests[0].place) | {5: somewhere}
    assert rests[0].place.issues == [UNREADABLE]

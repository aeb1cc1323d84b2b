"""How a batch is divided into slices, so that several processes can work on it in parallel.

Raw rows (by their id) and products (by a hash of their id) each belong to one of 64 parts:
`raw_part` and `product_part` in sql/init_postgres.sql. A slice is a range of parts. Any number of
slices covers every row exactly once, and rows that arrive later belong to one of them, too.
"""

from itertools import pairwise
from math import isqrt
from typing import NamedTuple

PARTS = 64
MOST_SLICES = 16
FIRST_CUT = 30_000  # rows: below this, starting a second task takes longer than it saves


class Slice(NamedTuple):
    """The parts from `first` up to, but not including, `last`."""

    first: int
    last: int


WHOLE = Slice(0, PARTS)


def slices_for(rows: int) -> list[Slice]:
    """Slices for a batch of `rows` raw rows: one below 30,000, two from there on, then more.

    Their number grows with the square root of the rows, because starting a task takes a second,
    whatever the size of its slice.
    """
    return cut(max(1, min(MOST_SLICES, isqrt(4 * rows // FIRST_CUT))))


def cut(number: int) -> list[Slice]:
    """All parts in `number` slices that differ in size by one part at most."""
    bounds = [PARTS * index // number for index in range(number + 1)]
    return [Slice(*pair) for pair in pairwise(bounds)]

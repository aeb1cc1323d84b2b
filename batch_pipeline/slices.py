"""How a batch is cut into slices, so that several processes can work on it at the same time.

Raw rows (by their id) and products (by a hash of their id) each belong to one of 64 parts:
`raw_part` and `product_part` in sql/init_postgres.sql. A slice is a range of parts. Any number of
slices covers every row exactly once, and rows that arrive later fall into one of them, too.
"""

from itertools import pairwise
from math import isqrt
from typing import NamedTuple

PARTS = 64
MOST_SLICES = 16
FIRST_CUT = 30_000  # rows: below this a second task takes longer to start than it saves


class Slice(NamedTuple):
    """The parts from `first` up to, but not including, `last`."""

    first: int
    last: int


WHOLE = Slice(0, PARTS)


def slices_for(rows: int) -> list[Slice]:
    """Cut a batch of `rows` raw rows: one slice below 30,000, two from there on, then more.

    Their number grows with the square root of the rows: starting a task costs a second, whatever
    the size of its slice.
    """
    return cut(max(1, min(MOST_SLICES, isqrt(4 * rows // FIRST_CUT))))


def cut(number: int) -> list[Slice]:
    """All parts in `number` slices that differ in size by one part at most."""
    bounds = [PARTS * index // number for index in range(number + 1)]
    return [Slice(*pair) for pair in pairwise(bounds)]

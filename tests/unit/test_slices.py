"""How a batch is divided into slices."""

from itertools import pairwise

import pytest

from batch_pipeline.slices import MOST_SLICES, PARTS, cut, slices_for


@pytest.mark.parametrize(
    ("rows", "number"), [(0, 1), (45, 1), (29_999, 1), (30_000, 2), (300_000, 6), (10**9, 16)]
)
def test_more_rows_make_more_slices_but_never_too_many(rows: int, number: int) -> None:
    assert len(slices_for(rows)) == number


@pytest.mark.parametrize("number", range(1, MOST_SLICES + 1))
def test_slices_cover_each_part_once(number: int) -> None:
    parts = cut(number)
    assert len(parts) == number
    assert (parts[0].first, parts[-1].last) == (0, PARTS)
    assert all(left.last == right.first for left, right in pairwise(parts))
    assert all(part.first < part.last for part in parts)

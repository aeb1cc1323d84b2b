"""A message never says "1 records"."""

import pytest

from pipeline_common.console import counted


@pytest.mark.parametrize(
    ("number", "noun", "words"),
    [
        (0, "record", "0 records"),
        (1, "record", "1 record"),
        (2000, "record", "2,000 records"),
        (1, "batch", "1 batch"),
        (2, "batch", "2 batches"),
    ],
)
def test_a_count_has_its_noun_in_the_right_number(number: int, noun: str, words: str) -> None:
    assert counted(number, noun) == words

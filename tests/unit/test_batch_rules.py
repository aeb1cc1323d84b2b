"""Cases that docs/batch-bad-input.md cannot show: limits to the byte, and the recursion limit."""

import inspect
import json
import sys
from collections.abc import Callable
from decimal import localcontext
from typing import Any

import pytest

from batch_pipeline.record import DEEPEST_NESTING, LARGEST_RECORD
from batch_pipeline.rules import Verdict, validate_record


def record(**fields: Any) -> str:
    """A valid record but for `fields`."""
    good = {"product_id": "A", "name": "Mouse", "price": 5, "stock": 1}
    return json.dumps(good | fields, ensure_ascii=False)


def padded(size: int, letter: str) -> str:
    """A valid record of `size` bytes, most of them `letter`s in a field that no rule knows."""
    rest = size - len(record(more=""))
    width = len(letter.encode())
    return record(more=letter * (rest // width) + "x" * (rest % width))


@pytest.mark.parametrize("letter", ["x", "é", "🖱"])
@pytest.mark.parametrize("kind", [str, str.encode])
def test_the_largest_record_has_1_048_576_bytes(kind: Callable[[str], Any], letter: str) -> None:
    assert not validate_record(kind(padded(LARGEST_RECORD, letter))).issues
    larger = validate_record(kind(padded(LARGEST_RECORD + 1, letter)))
    assert larger == Verdict(issues=("record_too_large",))


def test_text_with_half_a_surrogate_pair_is_not_utf8() -> None:
    assert validate_record(record(more="\ud83d")).issues == ("not_utf8",)


def test_a_text_beyond_ascii_is_valid() -> None:
    assert validate_record(record(name="Mäuse 🖱")).name == "Mäuse 🖱"


def nested(levels: int, siblings: int = 0) -> str:
    """A valid record with `siblings` empty lists and one list of so many levels."""
    return f'{record()[:-1]}, "more": [{"[], " * siblings}{"[" * levels}{"]" * levels}]}}'


DEEPEST_LIST = DEEPEST_NESTING - 2  # the record and the list of siblings are two levels


@pytest.mark.parametrize("siblings", [0, 1, 100])
def test_the_depth_counts_and_not_the_number_of_brackets(siblings: int) -> None:
    assert not validate_record(nested(DEEPEST_LIST, siblings)).issues
    deeper = validate_record(nested(DEEPEST_LIST + 1, siblings))
    assert deeper.issues == ("nested_too_deep",)


def test_brackets_in_a_text_alone_are_no_nesting() -> None:
    assert validate_record(json.dumps("[" * 99)).issues == ("not_an_object",)


def test_a_quote_that_is_escaped_does_not_end_a_text() -> None:
    assert not validate_record(record(more='\\"' + "[" * 99)).issues


def test_the_depth_does_not_depend_on_the_caller() -> None:
    """Near the recursion limit as from the first frame."""

    def call_from(depth: int, text: str) -> tuple[str, ...]:
        return call_from(depth - 1, text) if depth else validate_record(text).issues

    depth = sys.getrecursionlimit() - len(inspect.stack()) - 150
    assert call_from(depth, nested(DEEPEST_LIST)) == ()
    for text in (nested(DEEPEST_LIST + 1), nested(500), "[" * 200_000, '{"a":' * 200_000):
        assert call_from(depth, text) == ("nested_too_deep",)


def test_a_price_does_not_depend_on_the_callers_decimal_context() -> None:
    with localcontext() as context:
        context.prec = 3
        assert str(validate_record(record(price="9,999,999,999.99")).price) == "9999999999.99"

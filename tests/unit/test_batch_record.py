"""A plain record is parsed in a quick way: it must be told apart, and read as in the exact way."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from batch_pipeline import record
from batch_pipeline.rules import validate_record

PLAIN = '{"product_id": "A", "name": "Mouse", "price": 19.9, "stock": 1, "category": "x"}'
#: with msgspec, and as in Airflow 2.8's image, which lacks it
QUICK_WAYS = {
    "msgspec": record._quick,
    "json": json.JSONDecoder(parse_float=Decimal, parse_constant=record._no_constant).decode,
}
#: what is put into a valid record, or in place of a part of it
characters = st.sampled_from(
    ['"', "\\", "\t", " ", "\u00a0", "\u2028", "\ufeff", "\ud800", "\x00", "\x7f", "é", "🖱"]
)
escapes = st.sampled_from(["\\u0022", "\\u0000", "\\ud800", "\\ud83d\\ude00", "\\n", "\\x"])
numbers = st.sampled_from(
    ["0", "-0", "-0.0", "3.0", "19.990", "19.999", "9999999999.99", "1e3", "1E-3", "2147483648"]
)
strange_numbers = st.sampled_from(
    [
        "1" * 30,
        "1" * 5000,
        "1e131071",
        "1e9999999999999999999",
        "NaN",
        "-Infinity",
        "01",
        ".5",
        "+1",
    ]
)
values = st.sampled_from(
    ["null", "true", '"$1,299.00"', '"15"', '"1e3"', '""', '"a:b"', "[1]", '{"a": 1}']
)
members = st.sampled_from(['"price": 1,', '"pr\\u0069ce": 2,', '"currency": "EUR",', '"more": [],'])
pieces = characters | escapes | numbers | strange_numbers | values | members | st.text(max_size=3)

texts = st.text(st.characters() | st.sampled_from(' \t\\":['))
scalars = texts | st.decimals(-1, 10**11) | st.none()


@st.composite
def nearly_plain(draw: st.DrawFn) -> str:
    """A valid record with some pieces put in, each in place of a few characters or of none."""
    text = PLAIN
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text)))
        text = text[:start] + draw(pieces) + text[start + draw(st.integers(0, 8)) :]
    return text


fields = st.fixed_dictionaries(
    {"product_id": texts, "name": texts, "price": scalars, "stock": st.integers() | scalars},
    optional={"category": scalars, "currency": scalars, "more": scalars},
).map(lambda product: json.dumps(product, default=float, ensure_ascii=False))


@pytest.mark.parametrize("quick", QUICK_WAYS.values(), ids=QUICK_WAYS)
@settings(max_examples=500, deadline=None)
@given(text=nearly_plain() | fields)
@example(text="\ufeff" + PLAIN)
@example(text=f" {PLAIN}\n")
@example(text=PLAIN + "\x00")
@example(text=PLAIN.replace("stock", "price"))
@example(text=PLAIN.replace('"x"', "[" * 100_000))
@example(text=PLAIN.replace('"category": "x"', '"more": ' + "[" * 40 + "]" * 40))
@example(text='":"')
@example(text="1")
@example(text='{"a":' * 100_000)
def test_both_ways_lead_to_the_same_verdict(quick: Callable[[str], Any], text: str) -> None:
    for received in (text, text.encode(errors="surrogatepass")):
        with patch.object(record, "_parse_plain", return_value=None):
            exact = validate_record(received)
        with patch.object(record, "_quick", quick):
            assert repr(validate_record(received)) == repr(exact)  # 19.9 is not 19.90 there


@pytest.mark.parametrize("quick", QUICK_WAYS.values(), ids=QUICK_WAYS)
def test_a_plain_record_takes_the_quick_way(quick: Callable[[str], Any]) -> None:
    with patch.object(record, "_EXACT", None), patch.object(record, "_quick", quick):
        assert not validate_record(PLAIN).issues

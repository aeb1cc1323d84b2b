"""Parses the bytes of one record as a JSON object: strict JSON, with limits of our own.

How Python's parser treats NaN, a repeated key, deep nesting or a long number follows no standard
and depends on its version; docs/batch-bad-input.md defines what this one does.
"""

import json
import re
from decimal import Decimal, InvalidOperation
from itertools import accumulate
from typing import Any

try:
    import msgspec
except ImportError:
    msgspec = None  # type: ignore[assignment]

LARGEST_RECORD = 1 << 20  # bytes
DEEPEST_NESTING = 32  # as in the stream

JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*"?', re.DOTALL)


class RecordError(ValueError):
    """The record cannot be read at all; the message is the reason code."""


def _text(raw: str | bytes) -> str:
    if len(raw) > LARGEST_RECORD:
        raise RecordError("record_too_large")
    try:
        if isinstance(raw, bytes):
            return raw.decode()
        if not raw.isascii() and len(raw.encode()) > LARGEST_RECORD:
            raise RecordError("record_too_large")
    except UnicodeError:
        raise RecordError("not_utf8") from None
    return raw


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise RecordError("duplicate_key")
    return record


def _no_constant(_name: str) -> None:
    raise RecordError("not_json")  # NaN and Infinity: Python accepts them, JSON does not have them


# Decimal keeps 19.99 exact, and accepts integers of any length; int is limited to 4300 digits.
_EXACT = json.JSONDecoder(
    parse_float=Decimal,
    parse_int=Decimal,
    parse_constant=_no_constant,
    object_pairs_hook=_unique_keys,
)
# Both read a plain record alike, msgspec in half the time. Airflow 2.8's image does not have it.
_quick = (
    msgspec.json.Decoder(float_hook=Decimal).decode
    if msgspec
    else json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant).decode
)
_NOT_PLAIN = (
    ValueError,
    ArithmeticError,
    RecursionError,
    *([msgspec.MsgspecError] if msgspec else []),
)


def _parse_plain(text: str) -> dict[str, Any] | None:
    """Fast path for a record that certainly has no repeated key and no deep nesting; else None."""
    if "[" in text:
        return None
    try:
        record = _quick(text)
    except _NOT_PLAIN:  # the exact way says what is wrong
        return None
    # One colon per key: no key is repeated, and no object is nested in another.
    return record if isinstance(record, dict) and text.count(":") == len(record) else None


def parse(raw: str | bytes) -> dict[str, Any]:
    """Read a JSON object, numbers as int or Decimal; raises RecordError."""
    text = _text(raw)
    record = _parse_plain(text)
    if record is not None:
        return record
    if nesting(text) > DEEPEST_NESTING:
        raise RecordError("nested_too_deep")
    try:
        record = _EXACT.decode(text)
    except json.JSONDecodeError:
        raise RecordError("not_json") from None
    except InvalidOperation:  # an exponent that Decimal cannot represent
        raise RecordError("number_out_of_range") from None
    if not isinstance(record, dict):
        raise RecordError("not_an_object")
    return record


def nesting(text: str) -> int:
    """The nesting depth: how many brackets are open at once outside strings, in any text.

    Counted before the text is parsed, because a recursive parser fails at a depth that depends on
    Python's version and on its caller.
    """
    if text.count("[") + text.count("{") <= DEEPEST_NESTING:
        return 0  # cannot exceed the limit
    brackets = re.findall(r"[\[\]{}]", JSON_STRING.sub("", text))
    return max(accumulate(1 if bracket in "[{" else -1 for bracket in brackets), default=0)

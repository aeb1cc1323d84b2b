"""Parses the bytes of one record as a JSON object and writes it back, without losing a digit.

Strict where Python is lenient: no repeated key, no deep nesting, UTF-8 only. NaN and Infinity,
which are not JSON but are often sent, come out as floats: the rules have reasons for them.
"""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

DEEPEST_NESTING = 32


class RecordError(ValueError):
    """The bytes cannot be read as a record; the message is the reason code."""


def parse(value: bytes | None) -> dict[str, Any]:
    """The JSON object in a record's bytes, fractions as float; raises RecordError."""
    if value is None:
        raise RecordError("null_value")
    if not value.strip():
        raise RecordError("empty_value")
    try:
        record = _DECODER.decode(value.decode())
    except UnicodeDecodeError as error:
        raise RecordError("not_utf8") from error
    except RecursionError as error:
        raise RecordError("nested_too_deep") from error
    except RecordError:
        raise
    except json.JSONDecodeError as error:
        raise RecordError("not_json") from error
    except ValueError as error:  # an integer of more than 4300 digits
        raise RecordError("number_out_of_range") from error
    if not isinstance(record, dict):
        raise RecordError("not_an_object")
    if _depth(record) > DEEPEST_NESTING:
        raise RecordError("nested_too_deep")
    return record


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise RecordError("duplicate_key")
    return record


def parse_exactly(value: bytes) -> dict[str, Any]:
    """The same object with fractions as Decimal; only NaN and Infinity are floats.

    Raises decimal.InvalidOperation where an exponent has more than 18 digits.
    """
    record: dict[str, Any] = _EXACT_DECODER.decode(value.decode())
    return record


_DECODER = json.JSONDecoder(object_pairs_hook=_unique_keys)
_EXACT_DECODER = json.JSONDecoder(parse_float=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def _depth(value: Any) -> int:
    """The nesting depth, computed level by level: recursion would reach Python's limit."""
    depth, level = 0, [value]
    while level := [v for v in level if isinstance(v, dict | list)]:
        depth += 1
        level = [v for c in level for v in (c.values() if isinstance(c, dict) else c)]
    return depth


def as_json(record: dict[str, Any]) -> str:
    """The object as compact JSON; its strings must have no surrogates, its numbers be finite."""
    return _ENCODER.encode(record).decode()


def leaves(value: Any) -> Iterator[Any]:
    """All keys of an object, and all values in it that are neither objects nor arrays."""
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    else:
        yield value

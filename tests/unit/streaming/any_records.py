"""Hypothesis strategies for what a producer may send: mostly JSON, mostly nearly valid."""

import json
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

# Texts that include the characters that often break databases and parsers.
text = st.text(st.characters() | st.sampled_from("\x00\x01\ud800\\\"'\t\n,\u2028🌡"), max_size=20)
leaf = st.none() | st.booleans() | st.integers() | st.floats() | text
anything = st.recursive(leaf, lambda inner: st.lists(inner) | st.dictionaries(text, inner))
keys = st.none() | st.sampled_from([b"a", b"b", b"\xff"]) | st.binary()

# As JSON writes them: numbers and times on the edge of a rule, or beyond a double.
EDGES = """
-40 -40.0 -40.00000000000000000001 85 85.0000000000000000001 85.00000000000001 0 -0.0 1e2 100.0
100.00000000000000001 900 1100.0 1e-999 1e999 1e99999999999999999999 NaN Infinity -Infinity
01 1. true null "20"
"""
numbers = st.floats(-50, 1200).map(repr) | st.sampled_from(EDGES.split())
fractions = st.sampled_from(
    ["", ".1", ".123456", ".1234560", ".1234567", ".000000", ".0000001", ".9999999", ".1234565"]
)
zones = st.sampled_from(["Z", "z", "+00:00", "+01:00", "-23:59", ""])


def timestamps(near: datetime) -> st.SearchStrategy[str]:
    """Timestamps near one, as text, on the edges of the rules for time."""
    edges = st.sampled_from([-1800, -1799, 0, 299, 300, 301, -1801]) | st.integers(-4000, 4000)

    def written(seconds: int, fraction: str, zone: str, between: str) -> str:
        moment = near + timedelta(seconds=seconds)
        return f"{moment:%Y-%m-%d}{between}{moment:%H:%M:%S}{fraction}{zone}"

    return st.builds(written, edges, fractions, zones, st.sampled_from("TTTt "))


def nearly_valid(near: datetime) -> st.SearchStrategy[bytes]:
    """Readings of which most fields are right, in any order, spaced in any way."""
    strings = st.sampled_from(["a", "b", "timestamp", "", "x" * 64, "x" * 65]) | text
    quoted = strings.map(json.dumps) | strings.map(lambda s: json.dumps(s, ensure_ascii=False))
    required = {
        "sensor_id": quoted,
        "timestamp": timestamps(near).map(json.dumps),
        "temperature": st.just("20") | numbers,
        "humidity": st.just("50.5") | numbers,
        "pressure": st.just("1013") | numbers,
        "location": st.just('"x"') | quoted | st.just("null"),
    }
    unknown = {"firmware": numbers | anything.map(json.dumps), "extra": anything.map(json.dumps)}

    def written(fields: dict[str, str], order: Any, colon: str) -> bytes:
        names = list(fields)
        order.shuffle(names)
        members = ", ".join(f'"{name}"{colon}{fields[name]}' for name in names)
        return f"{{{members}}}".encode(errors="surrogatepass")

    fields = st.fixed_dictionaries(required, optional=unknown) | st.fixed_dictionaries(required)
    return st.builds(written, fields, st.randoms(), st.sampled_from([":", ": ", " : "]))


def values(near: datetime) -> st.SearchStrategy[bytes | None]:
    """Any value of a record."""
    some_json = anything.map(json.dumps).map(lambda s: s.encode(errors="surrogatepass"))
    good = nearly_valid(near)
    mutated = st.builds(_changed, good | some_json, st.integers(0), st.binary(max_size=3))
    return st.none() | st.binary() | good | some_json | mutated


def _changed(value: bytes, at: int, by: bytes) -> bytes:
    at %= len(value) + 1
    return value[:at] + by + value[at + 1 :]

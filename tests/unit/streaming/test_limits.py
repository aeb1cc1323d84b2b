"""Both sides of each limit of the stream's rules, to the millisecond, character and level."""

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from streaming_pipeline.rules import (
    EARLY_MS,
    EPOCH,
    LATE_MS,
    LONGEST_EXTRA,
    LONGEST_LOCATION,
    LONGEST_SENSOR_ID,
    NEWEST_MS,
    OLDEST_MS,
    RANGES,
    Reading,
    Rejection,
    validate_record,
)

SENT = datetime(2026, 11, 24, 9, tzinfo=timezone.utc)
SENT_MS = int(SENT.timestamp() * 1000)


def verdict(
    fields: dict[str, Any], kafka_ms: int = SENT_MS, received_ms: int | None = None
) -> Reading | list[str]:
    """The reading, or the reasons why a record with these fields is none."""
    values = {"temperature": 20.5, "humidity": 50.5, "pressure": 1000.5, "location": "roof"}
    record = {"sensor_id": "s1", "timestamp": SENT.isoformat()} | values | fields
    received = kafka_ms if received_ms is None else received_ms
    found = validate_record(json.dumps(record).encode(), None, kafka_ms, received)
    return found.issues if isinstance(found, Rejection) else found


def test_a_reading_has_what_the_record_said() -> None:
    assert verdict({}) == Reading("s1", SENT, 20.5, 50.5, 1000.5, "roof")


def test_a_rejection_names_the_sensor() -> None:
    found = validate_record(b'{"sensor_id": "s1"}', None, SENT_MS, SENT_MS)
    assert isinstance(found, Rejection)
    assert found.sensor_id == "s1"


@pytest.mark.parametrize("field", RANGES)
def test_the_ends_of_a_range_belong_to_it(field: str) -> None:
    for end in RANGES[field]:
        assert isinstance(verdict({field: end}), Reading)


@pytest.mark.parametrize(
    ("field", "longest"), [("sensor_id", LONGEST_SENSOR_ID), ("location", LONGEST_LOCATION)]
)
def test_the_longest_text_is_valid(field: str, longest: int) -> None:
    assert isinstance(verdict({field: "x" * longest}), Reading)
    assert verdict({field: "x" * (longest + 1)}) == [f"{field}_too_long"]


def test_a_record_may_be_nested_32_levels_deep() -> None:
    deepest: Any = 1
    for _ in range(31):  # the record itself is one more
        deepest = [deepest]
    assert isinstance(verdict({"more": deepest}), Reading)
    assert verdict({"more": [deepest]}) == ["nested_too_deep"]


@pytest.mark.parametrize(
    ("age_ms", "issues"),
    [
        (LATE_MS, []),
        (LATE_MS + 1, ["timestamp_late"]),
        (-EARLY_MS, []),
        (-EARLY_MS - 1, ["timestamp_in_future"]),
    ],
)
def test_a_reading_may_be_so_old_or_so_early(age_ms: int, issues: list[str]) -> None:
    timestamp = (SENT - timedelta(milliseconds=age_ms)).isoformat()
    found = verdict({"timestamp": timestamp})
    assert (found if isinstance(found, list) else []) == issues


def test_1970_is_not_before_1970() -> None:
    assert isinstance(verdict({"timestamp": EPOCH.isoformat()}, kafka_ms=0), Reading)


@pytest.mark.parametrize("offset", [OLDEST_MS, -NEWEST_MS])
def test_kafkas_clock_may_be_so_far_from_the_arrival(offset: int) -> None:
    assert isinstance(verdict({}, received_ms=SENT_MS + offset), Reading)
    further = offset + (1 if offset > 0 else -1)
    assert isinstance(verdict({}, received_ms=SENT_MS + further), list)


@pytest.mark.parametrize("letter", ["x", "ü"])
def test_the_longest_extra_is_valid_in_characters_not_bytes(letter: str) -> None:
    longest = letter * (LONGEST_EXTRA - len('{"more":""}'))
    found = verdict({"more": longest})
    assert isinstance(found, Reading)
    assert found.extra == f'{{"more":"{longest}"}}'
    assert len(found.extra) == LONGEST_EXTRA == 4096
    assert verdict({"more": longest + letter}) == ["extra_too_long"]

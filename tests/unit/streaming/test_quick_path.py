"""The quick path gives the verdicts of the rules, whatever is sent and whenever."""

import json
from datetime import datetime, timezone
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from streaming_pipeline.quick_path import validate
from streaming_pipeline.rules import NEWEST_MS, OLDEST_MS, Reading, validate_record
from tests.unit.streaming import any_records

NOON = datetime(2026, 11, 24, 12, tzinfo=timezone.utc)
NOON_MS = int(NOON.timestamp() * 1000)
PLAIN = {
    "sensor_id": "a",
    "timestamp": NOON.isoformat(),
    "temperature": 20.5,
    "humidity": 50,
    "pressure": 1013,
    "location": "x",
}
kafka_times = st.sampled_from(
    [NOON_MS - 1_800_001, NOON_MS - 1, NOON_MS + 299_999, NOON_MS + 1_800_000, -1, 0, 2**62]
) | st.just(NOON_MS)
#: how long before the record arrived Kafka's timestamp is
delays = st.sampled_from([0, OLDEST_MS, OLDEST_MS + 1, -NEWEST_MS, -NEWEST_MS - 1])


def plain(**fields: Any) -> bytes:
    return json.dumps(PLAIN | fields).encode()


@settings(max_examples=1000, deadline=None)
@given(any_records.values(NOON), any_records.keys, kafka_times, delays)
@example(b'{"a":' + b"[" * 100_000 + b'"' * 16, None, NOON_MS, 0)
@example(plain(temperature=1).replace(b'"humidity"', b'"temperature"'), None, NOON_MS, 0)
@example(plain(location=None, extra=1), None, NOON_MS, 0)
@example(plain(temperature=float("nan"), firmware=float("nan")), None, NOON_MS, 0)
@example(plain(location="timestamp", timestamp="2026-11-24T12:00:00.1234567Z"), None, NOON_MS, 0)
@example(plain(timestamp="2026-11-24T11:30:00Z"), None, NOON_MS, 0)
@example(plain(timestamp="2026-11-24T11:29:59.999999Z"), None, NOON_MS, 0)
@example(plain(timestamp="2026-11-24T12:05:00Z"), None, NOON_MS, 0)
@example(plain(timestamp="2026-11-24T12:05:00.000001Z"), None, NOON_MS, 0)
@example(plain(timestamp="1970-01-01T00:20:00Z"), None, 20 * 60 * 1000, 0)
@example(plain(timestamp="1969-12-31T23:59:00Z"), None, 6 * 60 * 1000, 0)
def test_both_ways_say_the_same(
    value: bytes | None, key: bytes | None, kafka_ms: int, delay: int
) -> None:
    exact = validate_record(value, key, kafka_ms, kafka_ms + delay)
    assert validate(value, key, kafka_ms, kafka_ms + delay) == exact


def test_a_plain_reading_takes_the_quick_path(monkeypatch: Any) -> None:
    monkeypatch.setattr("streaming_pipeline.quick_path.validate_record", None)
    for value in (plain(), plain().replace(b": ", b":").replace(b", ", b",")):
        assert isinstance(validate(value, b"a", NOON_MS, NOON_MS), Reading)


def test_the_clock_of_the_arrival_decides_only_whether_kafkas_is_plausible() -> None:
    for received_ms in (NOON_MS - NEWEST_MS, NOON_MS, NOON_MS + OLDEST_MS):
        assert isinstance(validate(plain(), None, NOON_MS, received_ms), Reading)

"""The rules of the stream: the bytes of one Kafka record in, a reading or reason codes out.

Written to be read; quick_path.py gives the same verdicts faster to clearly valid records. Pure
functions: the two clocks they need, Kafka's and the one at arrival, are arguments, so a record gets
the same verdict at any time. docs/streaming-bad-input.md has every code with examples.
"""

import math
import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from streaming_pipeline.exact_json import RecordError, as_json, leaves, parse, parse_exactly

# Increase it with every change of a rule, then re-validate with streaming_pipeline/replay.py.
RULE_VERSION = 2

RANGES = {
    "temperature": (-40.0, 85.0),  # °C, the specified range of industrial sensors
    "humidity": (0.0, 100.0),  # %
    "pressure": (900.0, 1100.0),  # hPa
}
LONGEST_SENSOR_ID = 64
LONGEST_LOCATION = 100
LONGEST_EXTRA = 4096  # characters of JSON
LARGEST_EXPONENT = 400  # of a number in an unknown field: beyond a double, well within jsonb
DAY_MS = 24 * 60 * 60 * 1000
LATE_MS = 30 * 60 * 1000  # measured against the record's own Kafka timestamp, not the wall clock
EARLY_MS = 5 * 60 * 1000  # how far ahead a sensor's clock may be
# The producer sets Kafka's timestamp. Each new day creates a chunk, so it must be near the arrival:
# no older than retention (90 days), no further ahead than a clock in another time zone.
OLDEST_MS = 84 * DAY_MS
NEWEST_MS = DAY_MS
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MICROSECOND = timedelta(microseconds=1)

# PostgreSQL text can hold neither NUL nor half of a surrogate pair.
BAD_CHARACTER = re.compile("[\x00\ud800-\udfff]")
FINER_THAN_MICROSECONDS = re.compile(r"\.\d{6}\d*[1-9]")


def _number(field: str) -> Any:
    lowest, highest = RANGES[field]
    return Annotated[float, Meta(ge=lowest, le=highest)]


class Reading(msgspec.Struct, gc=False):
    """A valid reading; the annotations are what quick_path.py lets msgspec check."""

    sensor_id: Annotated[str, Meta(min_length=1, max_length=LONGEST_SENSOR_ID)]
    timestamp: Annotated[datetime, Meta(tz=True)]
    temperature: _number("temperature")  # type: ignore[valid-type]
    humidity: _number("humidity")  # type: ignore[valid-type]
    pressure: _number("pressure")  # type: ignore[valid-type]
    location: Annotated[str, Meta(min_length=1, max_length=LONGEST_LOCATION)] | None
    extra: str | None = None  # JSON object of what no other column holds


FIELDS = frozenset(Reading.__struct_fields__) - {"extra"}


class Rejection(NamedTuple):
    """An invalid record: its sensor, if one could be read, and why."""

    sensor_id: str | None
    issues: list[str]


def validate_record(
    value: bytes | None, key: bytes | None, kafka_ms: int, received_ms: int
) -> Reading | Rejection:
    """Validate a record field by field; all reasons are given, not only the first.

    `kafka_ms` is its Kafka timestamp, `received_ms` its arrival, both in ms since 1970 UTC.
    """
    try:
        record = parse(value)
    except RecordError as error:
        return Rejection(None, [str(error)])
    issues: list[str] = []
    sensor_id = text_of(record, "sensor_id", LONGEST_SENSOR_ID, issues)
    if sensor_id is None and not issues:
        issues.append("sensor_id_missing")
    if sensor_id is not None and key is not None and key != sensor_id.encode():
        issues.append("key_mismatch")
    timestamp = timestamp_of(record, kafka_ms, received_ms, issues)
    temperature, humidity, pressure = (number_of(record, field, issues) for field in RANGES)
    location = text_of(record, "location", LONGEST_LOCATION, issues)  # may be missing
    extra = extra_of(record, value, timestamp, issues)
    if issues or sensor_id is None or timestamp is None:
        return Rejection(sensor_id, issues)
    return Reading(sensor_id, timestamp, temperature, humidity, pressure, location, extra)


def text_of(record: dict[str, Any], field: str, longest: int, issues: list[str]) -> str | None:
    """A string that PostgreSQL can store, or None (with a reason code, unless it is missing)."""
    value = record.get(field)
    if value is None:
        return None
    if not isinstance(value, str):
        issues.append(f"{field}_wrong_type")
    elif not value:
        issues.append(f"{field}_empty")
    elif BAD_CHARACTER.search(value):
        issues.append(f"{field}_bad_character")
    elif len(value) > longest:
        issues.append(f"{field}_too_long")
    else:
        return value
    return None


def timestamp_of(
    record: dict[str, Any], kafka_ms: int, received_ms: int, issues: list[str]
) -> datetime | None:
    """The reading's event time (RFC 3339, zone required); a zone is never guessed."""
    value = record.get("timestamp")
    if value is None:
        issues.append("timestamp_missing")
        return None
    if not isinstance(value, str):
        issues.append("timestamp_wrong_type")
        return None
    try:
        timestamp = msgspec.convert(value, datetime)
    except (msgspec.ValidationError, UnicodeEncodeError):
        issues.append("timestamp_invalid")
        return None
    if timestamp.tzinfo is None:
        issues.append("timestamp_without_zone")
        return None
    if reason := wrong_time(timestamp, kafka_ms, received_ms):
        issues.append(reason)
    return timestamp


def wrong_time(timestamp: datetime, kafka_ms: int, received_ms: int) -> str | None:
    """The reason code for a time that is not allowed, or None."""
    if not received_ms - OLDEST_MS <= kafka_ms <= received_ms + NEWEST_MS:
        return "kafka_timestamp_out_of_range"
    if timestamp < EPOCH:
        return "timestamp_before_1970"
    age_us = kafka_ms * 1000 - (timestamp - EPOCH) // MICROSECOND
    if age_us < -EARLY_MS * 1000:
        return "timestamp_in_future"
    return "timestamp_late" if age_us > LATE_MS * 1000 else None


def number_of(record: dict[str, Any], field: str, issues: list[str]) -> float:
    """A finite number within the field's range; NaN stands for one that is rejected."""
    value = record.get(field)
    lowest, highest = RANGES[field]
    if value is None:
        issues.append(f"{field}_missing")
    elif isinstance(value, bool) or not isinstance(value, int | float):
        issues.append(f"{field}_wrong_type")
    elif isinstance(value, float) and not math.isfinite(value):
        issues.append(f"{field}_not_finite")
    elif not lowest <= value <= highest:
        issues.append(f"{field}_out_of_range")
    else:
        return float(value)
    return math.nan


def extra_of(
    record: dict[str, Any], value: bytes | None, timestamp: datetime | None, issues: list[str]
) -> str | None:
    """The fields that have no column of their own, as JSON, or None if there are none.

    Unknown fields, and `timestamp` as sent where it is finer than the microseconds of its column.
    """
    unknown = record.keys() - FIELDS
    if timestamp and FINER_THAN_MICROSECONDS.search(record["timestamp"]):
        unknown.add("timestamp")
    if not unknown or value is None:
        return None
    try:
        fields = {name: v for name, v in parse_exactly(value).items() if name in unknown}
    except InvalidOperation:
        issues.append("extra_out_of_range")
        return None
    if reason := next(filter(None, map(_not_for_jsonb, leaves(fields))), None):
        issues.append(reason)
        return None
    if len(text := as_json(fields)) > LONGEST_EXTRA:
        issues.append("extra_too_long")
        return None
    return text


def _not_for_jsonb(value: Any) -> str | None:
    if isinstance(value, str) and BAD_CHARACTER.search(value):
        return "extra_bad_character"
    if isinstance(value, Decimal) and abs(value.adjusted()) > LARGEST_EXPONENT:
        return "extra_out_of_range"
    return "extra_not_finite" if isinstance(value, float) else None

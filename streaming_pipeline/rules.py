"""The rules of the stream: the bytes of one Kafka record in, a reading or reason codes out.

Pure functions: no clock, no database, so the same record gets the same verdict on every replay.
Every reason code with an example is in docs/streaming-bad-input.md.
"""

import json
import math
import re
from datetime import datetime, timezone
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

# Raise it with every change of a rule; then `stream_validator.py --replay` judges anew.
RULE_VERSION = 1

LONGEST_SENSOR_ID = 64
LONGEST_LOCATION = 100
LONGEST_EXTRA = 4096  # characters of JSON
DEEPEST_NESTING = 32
LATE_MS = 30 * 60 * 1000  # measured against the record's own Kafka timestamp, not the wall clock
EARLY_MS = 5 * 60 * 1000  # how far ahead a sensor's clock may be
RANGES = {
    "temperature": (-40.0, 85.0),  # °C, what industrial sensors are specified for
    "humidity": (0.0, 100.0),  # %
    "pressure": (900.0, 1100.0),  # hPa
}
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
YEAR_2200_MS = 7_258_118_400_000

# PostgreSQL text holds neither NUL nor half of a surrogate pair.
BAD_CHARACTER = re.compile("[\x00\ud800-\udfff]")
ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def _number(field: str) -> Any:
    lowest, highest = RANGES[field]
    return Annotated[float, Meta(ge=lowest, le=highest)]


class Reading(msgspec.Struct):
    """A valid reading; msgspec checks types and ranges while it parses."""

    sensor_id: Annotated[str, Meta(min_length=1, max_length=LONGEST_SENSOR_ID)]
    timestamp: Annotated[datetime, Meta(tz=True)]
    temperature: _number("temperature")  # type: ignore[valid-type]
    humidity: _number("humidity")  # type: ignore[valid-type]
    pressure: _number("pressure")  # type: ignore[valid-type]
    location: Annotated[str, Meta(min_length=1, max_length=LONGEST_LOCATION)] | None
    extra: str | None = None  # JSON object of the fields that no rule knows


FIELDS = frozenset(Reading.__struct_fields__) - {"extra"}


class Rejection(NamedTuple):
    """An invalid record: its sensor, where one could be read, and why."""

    sensor_id: str | None
    issues: list[str]


class RecordError(ValueError):
    """The bytes are no record at all; the message is the reason code."""


# Six fields that must be there, three of them strings: at least 18 quotes. More mean a repeated or
# an unknown key, which msgspec would not tell us about (where `location` is null, 18 are two more);
# a backslash means a character that must be looked at.
PLAIN_QUOTES = 18
DECODER = msgspec.json.Decoder(Reading)


def judge(value: bytes | None, key: bytes | None, kafka_ms: int) -> Reading | Rejection:
    """Judge one record; `kafka_ms` is its Kafka timestamp in ms since 1970 UTC."""
    if value is not None and value.count(b'"') == PLAIN_QUOTES and b"\\" not in value:
        try:
            reading = DECODER.decode(value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return classify(value, key, kafka_ms)
        age_ms = kafka_ms - reading.timestamp.timestamp() * 1000
        in_time = -EARLY_MS <= age_ms <= LATE_MS and EARLY_MS <= kafka_ms < YEAR_2200_MS
        agrees = key is None or key == reading.sensor_id.encode()
        if in_time and agrees and reading.location is not None:
            return reading
    return classify(value, key, kafka_ms)


# --- The exact way: every reason, for what is not plainly valid -----------------------------------


def classify(value: bytes | None, key: bytes | None, kafka_ms: int) -> Reading | Rejection:
    """Judge one record field by field; all reasons are given, not only the first."""
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
    timestamp = timestamp_of(record, kafka_ms, issues)
    temperature, humidity, pressure = (number_of(record, field, issues) for field in RANGES)
    location = text_of(record, "location", LONGEST_LOCATION, issues)  # may be missing
    extra = extra_of(record, issues)
    if issues or sensor_id is None or timestamp is None:
        return Rejection(sensor_id, issues)
    return Reading(sensor_id, timestamp, temperature, humidity, pressure, location, extra)


def parse(value: bytes | None) -> dict[str, Any]:
    """The JSON object in a record's bytes; raises RecordError."""
    if value is None:
        raise RecordError("null_value")
    if not value.strip():
        raise RecordError("empty_value")
    try:
        text = value.decode()
        record = EXACT_DECODER.decode(text)
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


EXACT_DECODER = json.JSONDecoder(object_pairs_hook=_unique_keys)


def _depth(value: Any) -> int:
    """Levels of nesting, counted level by level: recursion would end where Python's limit is."""
    depth, level = 0, [value]
    while level := [v for v in level if isinstance(v, dict | list)]:
        depth += 1
        level = [v for c in level for v in (c.values() if isinstance(c, dict) else c)]
    return depth


def text_of(record: dict[str, Any], field: str, longest: int, issues: list[str]) -> str | None:
    """A string that PostgreSQL can hold, or None (with the reason, unless it is just missing)."""
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


def timestamp_of(record: dict[str, Any], kafka_ms: int, issues: list[str]) -> datetime | None:
    """The reading's own time (RFC 3339, zone required); we never guess a zone."""
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
    if reason := _wrong_time(timestamp, kafka_ms):
        issues.append(reason)
    return timestamp


def _wrong_time(timestamp: datetime, kafka_ms: int) -> str | None:
    age_ms = kafka_ms - timestamp.timestamp() * 1000
    if not EARLY_MS <= kafka_ms < YEAR_2200_MS:
        return "kafka_timestamp_out_of_range"
    if timestamp < EPOCH:
        return "timestamp_before_1970"
    if age_ms < -EARLY_MS:
        return "timestamp_in_future"
    return "timestamp_late" if age_ms > LATE_MS else None


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


def extra_of(record: dict[str, Any], issues: list[str]) -> str | None:
    """The unknown fields as JSON for a jsonb column, or None if there are none."""
    fields = {k: v for k, v in record.items() if k not in FIELDS}
    if not fields:
        return None
    try:
        text = json.dumps(fields, ensure_ascii=False, allow_nan=False)
    except ValueError:
        issues.append("extra_not_finite")
        return None
    if BAD_CHARACTER.search(text) or ESCAPED_NUL.search(text):
        issues.append("extra_bad_character")
    elif len(text) > LONGEST_EXTRA:
        issues.append("extra_too_long")
    else:
        return text
    return None

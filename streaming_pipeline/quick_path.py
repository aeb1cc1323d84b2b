"""The fast path of validation: clearly valid records in one step, all others by rules.py.

It must give the same verdicts as rules.validate_record: tests/unit/streaming/test_quick_path.py
searches for a record on which they differ.
"""

from contextlib import suppress
from datetime import datetime, timedelta
from functools import lru_cache

import msgspec

from streaming_pipeline.rules import (
    EARLY_MS,
    EPOCH,
    LATE_MS,
    NEWEST_MS,
    OLDEST_MS,
    Reading,
    Rejection,
    validate_record,
)

# Six fields that must be there, three of them strings: at least 18 quotes. More mean a repeated or
# an unknown key, which msgspec would not tell us about (where `location` is null, 18 are two more);
# a backslash means a character that must be looked at.
PLAIN_QUOTES = 18
NO_TIME = (EPOCH + timedelta(days=1), EPOCH)  # nothing is between them
DECODER = msgspec.json.Decoder(Reading)


def validate(
    value: bytes | None, key: bytes | None, kafka_ms: int, received_ms: int
) -> Reading | Rejection:
    """Validate one record; arguments and result as rules.validate_record."""
    if value is not None and value.count(b'"') == PLAIN_QUOTES and b"\\" not in value:
        field = value.find(b'"timestamp":')
        seconds = value.find(b'"', field + 12)  # "2026-11-24T08:00:00.123456, then a seventh digit?
        if field >= 0 and not value[seconds + 21 : seconds + 28].isdigit():
            try:
                reading = DECODER.decode(value)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                return validate_record(value, key, kafka_ms, received_ms)
            earliest, latest = plausible_times(kafka_ms // 1000, received_ms)
            if (
                earliest <= reading.timestamp <= latest
                and (key is None or key == reading.sensor_id.encode())
                and reading.location is not None
            ):
                return reading
    return validate_record(value, key, kafka_ms, received_ms)


@lru_cache(maxsize=1000)
def plausible_times(second: int, received_ms: int) -> tuple[datetime, datetime]:
    """When a reading may be from, whichever millisecond of that second its Kafka timestamp is."""
    first_ms, last_ms = second * 1000, second * 1000 + 999
    oldest_ms, newest_ms = received_ms - OLDEST_MS, received_ms + NEWEST_MS
    # Not in the first minutes of 1970, where a reading may be from before.
    if first_ms >= max(oldest_ms, LATE_MS) and last_ms <= newest_ms:
        with suppress(OverflowError):
            return after_epoch(last_ms - LATE_MS), after_epoch(first_ms + EARLY_MS)
    return NO_TIME


def after_epoch(milliseconds: int) -> datetime:
    """That long after 1970."""
    return EPOCH + timedelta(milliseconds=milliseconds)

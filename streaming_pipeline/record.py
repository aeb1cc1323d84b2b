"""One Kafka record as the reader hands it over: bytes, nothing decoded."""

import msgspec

#: Reason codes for records that could not be read; `raw` then holds the record batch of Kafka's
#: log that they are in, as it was sent (of the first such record only: it is the same batch).
UNREADABLE = "unreadable_batch"
TOO_LARGE = "too_large"


class Record(msgspec.Struct, frozen=True, gc=False):
    """A record and where it is. Headers are skipped, not decoded: no rule asks for them."""

    partition: int
    offset: int
    kafka_ms: int  # since 1970-01-01 UTC; -1: none
    log_append_time: bool  # whether kafka_ms is the broker's clock; else the producer's
    key: bytes | None
    value: bytes | None  # None: a tombstone
    fault: str = ""  # a reason code of above: to quarantine, `value` is not a value


def size_of(record: Record) -> int:
    """Bytes of memory that a record takes, about."""
    return 250 + len(record.key or b"") + len(record.value or b"")

"""One Kafka record as the reader returns it: bytes, nothing decoded."""

import msgspec

#: Reason codes for records that could not be read; `raw` is then the record batch that contains
#: them, as it was sent (stored only with the first such record, as the batch is the same).
UNREADABLE = "unreadable_batch"
TOO_LARGE = "too_large"


class Record(msgspec.Struct, frozen=True, gc=False):
    """A record and where it is. Headers are skipped, not decoded: no rule needs them."""

    partition: int
    offset: int
    kafka_ms: int  # since 1970-01-01 UTC; -1: none
    log_append_time: bool  # whether kafka_ms is the broker's clock; else the producer's
    key: bytes | None
    value: bytes | None  # None: a tombstone
    fault: str = ""  # one of the reason codes above; `value` is then no value, and is quarantined


def size_of(record: Record) -> int:
    """About how many bytes of memory a record takes."""
    return 250 + len(record.key or b"") + len(record.value or b"")

"""Batches that Kafka's log cleaner has emptied, and control batches, are skipped."""

import struct
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder
from kafka.record.util import calc_crc32c

from streaming_pipeline.bounded_fetch import BoundedRecords
from streaming_pipeline.record import UNREADABLE, Record

TRANSACTIONAL, CONTROL = 0x10, 0x20  # https://kafka.apache.org/documentation/#recordbatch
PRODUCER = 7
ABORT, COMMIT = struct.pack(">hh", 0, 0), struct.pack(">hh", 0, 1)  # the keys of marks


def batch(base: int, *keys: bytes, attributes: int = 0) -> bytes:
    """A batch of records with these keys, or none, from offset `base` on."""
    builder = MemoryRecordsBuilder(2, 0, 1 << 20)
    for key in keys or [b""]:
        builder.append(1, key, b"", [])
    builder.close()
    data = bytearray(builder.buffer())
    if not keys:  # the cleaner keeps the head of a batch whose records are gone
        del data[DefaultRecordBatch.HEADER_STRUCT.size :]
        struct.pack_into(">i", data, 8, len(data) - 12)
        struct.pack_into(">i", data, 57, 0)
    struct.pack_into(">q", data, 0, base)
    struct.pack_into(">h", data, DefaultRecordBatch.ATTRIBUTES_OFFSET, attributes)
    struct.pack_into(">q", data, 43, PRODUCER)
    body = data[DefaultRecordBatch.ATTRIBUTES_OFFSET :]
    struct.pack_into(">I", data, DefaultRecordBatch.CRC_OFFSET, calc_crc32c(body))
    return bytes(data)


def read(*batches: bytes, aborted_from: int | None = None) -> list[Record]:
    """The records that are read."""
    transactions = [SimpleNamespace(producer_id=PRODUCER, first_offset=aborted_from)]
    options: dict[str, Any] = {
        "on_drain": lambda _: None,
        "aborted_transactions": [] if aborted_from is None else transactions,
    }
    part = TopicPartition("topic", 0)
    records = BoundedRecords(0, part, MemoryRecords(b"".join(batches)), **options)
    return records.take(1 << 20)[0]


def offsets(*batches: bytes, aborted_from: int | None = None) -> list[int]:
    """The offsets of the records that are read."""
    return [record.offset for record in read(*batches, aborted_from=aborted_from)]


def test_a_control_batch_without_its_record_is_passed() -> None:
    empty = batch(1, attributes=TRANSACTIONAL | CONTROL)
    assert offsets(batch(0, b"a"), empty, batch(2, b"b")) == [0, 2]


def test_a_batch_of_an_old_format_is_kept_whole() -> None:
    """Kafka 3 writes none; a topic that was made long ago may have some."""
    builder = MemoryRecordsBuilder(1, 0, 1 << 20)
    builder.append(1, b"key", b"value")
    builder.close()
    old = bytes(builder.buffer())
    [kept, after] = read(old, batch(1, b"a"))
    assert (kept.offset, kept.fault, kept.value) == (0, UNREADABLE, old)
    assert (after.offset, after.key) == (1, b"a")


@pytest.mark.parametrize(("mark", "readable"), [(ABORT, [3]), (COMMIT, [0, 1, 3])])
def test_a_transaction_ends_with_its_mark(mark: bytes, readable: list[int]) -> None:
    sent = batch(0, b"a", b"b", attributes=TRANSACTIONAL)
    end = batch(2, mark, attributes=TRANSACTIONAL | CONTROL)
    after = batch(3, b"c", attributes=TRANSACTIONAL)
    assert offsets(sent, end, after, aborted_from=0 if mark is ABORT else None) == readable

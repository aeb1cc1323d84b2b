"""Record batches of any content are read to their end, in bounded memory, or kept as they are."""

import struct
import tracemalloc
from itertools import chain

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatch
from kafka.record.memory_records import MemoryRecordsBuilder
from kafka.record.util import calc_crc32c, decode_varint

from streaming_pipeline.decompression import MAX_SNAPPY_BLOCK
from streaming_pipeline.record import TOO_LARGE, UNREADABLE, Record
from streaming_pipeline.record_batch_format import MAX_RECORD_BYTES, records_of

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
PARTITION = 3
FIRST_TIMESTAMP_OFFSET = 27  # bytes: https://kafka.apache.org/documentation/#recordbatch
Message = tuple[int, bytes | None, bytes | None]  # ms, key, value


class RawName(str):
    """A header's name that is sent as bytes that are no UTF-8."""

    def encode(self, *_: object) -> bytes:
        return b"\xff\xfe"


def batch_of(
    messages: list[Message], codec: int = 0, gap: int = 0, name: str = "name"
) -> DefaultRecordBatch:
    """A batch as a producer sends it, `gap` offsets between its records."""
    builder = MemoryRecordsBuilder(2, codec, 1 << 30)
    for ms, key, value in messages:
        builder.append(ms, key, value, [(name, b"\x00\xff"), (name, None)])
        builder.skip(gap)
    builder.close()
    return DefaultRecordBatch(builder.buffer())


def with_crc(data: bytearray) -> DefaultRecordBatch:
    """A batch whose checksum is right, whatever else is wrong with it."""
    start = DefaultRecordBatch.ATTRIBUTES_OFFSET
    struct.pack_into(">I", data, DefaultRecordBatch.CRC_OFFSET, calc_crc32c(data[start:]))
    return DefaultRecordBatch(data)


def read(batch: DefaultRecordBatch) -> list[Record]:
    return list(chain.from_iterable(records_of(batch, PARTITION)))


fields = st.none() | st.binary(max_size=300)
messages = st.lists(st.tuples(st.integers(0, 2**53), fields, fields), min_size=1, max_size=40)


@given(messages, st.sampled_from(list(CODECS.values())), st.integers(0, 300))
def test_what_was_sent_is_read(sent: list[Message], codec: int, gap: int) -> None:
    records = read(batch_of(sent, codec, gap))
    assert [(r.kafka_ms, r.key, r.value, r.fault) for r in records] == [(*m, "") for m in sent]
    assert [r.offset for r in records] == [n * (gap + 1) for n in range(len(sent))]


@pytest.mark.parametrize("codec", CODECS)
def test_a_header_name_that_is_not_utf_8_does_not_matter(codec: str) -> None:
    [record] = read(batch_of([(1, b"key", b"value" * 100)], CODECS[codec], name=RawName("x")))
    assert (record.key, record.value, record.fault) == (b"key", b"value" * 100, "")


def test_a_timestamp_beyond_64_bits_wraps_round_as_in_java() -> None:
    data = bytearray(batch_of([(2**63 - 2, None, b"a"), (2**63 - 1, None, b"b")])._buffer)
    struct.pack_into(">q", data, FIRST_TIMESTAMP_OFFSET, 2**63 - 1)
    assert [record.kafka_ms for record in read(with_crc(data))] == [2**63 - 1, -(2**63)]


def test_the_brokers_clock_is_the_batchs_own() -> None:
    batch = batch_of([(1000, None, b"a"), (2000, None, b"b")])
    data = bytearray(batch._buffer)
    data[DefaultRecordBatch.ATTRIBUTES_OFFSET + 1] |= DefaultRecordBatch.TIMESTAMP_TYPE_MASK
    assert [(r.kafka_ms, r.log_append_time) for r in read(with_crc(data))] == [(2000, True)] * 2


@given(messages, st.sampled_from(list(CODECS.values())), st.data())
def test_a_damaged_batch_is_read_up_to_the_damage(
    sent: list[Message], codec: int, data: st.DataObject
) -> None:
    whole = batch_of(sent, codec)
    damaged = bytearray(whole._buffer)
    begin = DefaultRecordBatch.HEADER_STRUCT.size
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(begin, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(begin, len(damaged)))
    batch = with_crc(damaged[:cut])
    records = read(batch)
    offsets = [record.offset for record in records]
    assert offsets == sorted(set(offsets))
    assert all(0 <= offset < len(sent) for offset in offsets)
    faults = [record for record in records if record.fault]
    assert all(record.value == bytes(batch._buffer) for record in faults[:1])
    assert len(records) == len(sent) or faults, "records are missing without a word"


def test_a_batch_with_a_wrong_checksum_is_kept_whole() -> None:
    data = bytearray(batch_of([(1, None, b"a"), (1, None, b"b")])._buffer)
    data[-1] ^= 1
    [record] = read(DefaultRecordBatch(data))
    assert (record.offset, record.value, record.fault) == (0, bytes(data), UNREADABLE)


@pytest.mark.parametrize("codec", CODECS)
def test_a_record_that_is_too_large_is_skipped_and_kept_compressed(codec: str) -> None:
    large = bytes(MAX_RECORD_BYTES + 1)
    batch = batch_of(
        [(1, b"a", b"a"), (2, b"b", large), (3, b"c", large), (4, b"d", b"d")], CODECS[codec]
    )
    first, second, third, fourth = read(batch)
    assert (first.value, fourth.value) == (b"a", b"d")
    assert [second.fault, third.fault] == [TOO_LARGE] * 2
    assert (second.value, third.value) == (bytes(batch._buffer), None)


@pytest.mark.parametrize("codec", ["gzip", "lz4", "zstd"])
def test_a_bomb_takes_no_memory(codec: str) -> None:
    batch = batch_of([(1, None, bytes(64 * 1024 * 1024))], CODECS[codec])
    tracemalloc.start()
    [record] = read(batch)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert record.fault == TOO_LARGE
    assert peak < 8 * 1024 * 1024


def test_a_codec_that_does_not_exist_is_unreadable() -> None:
    data = bytearray(batch_of([(1, None, b"a")])._buffer)
    data[DefaultRecordBatch.ATTRIBUTES_OFFSET + 1] |= 7
    [record] = read(with_crc(data))
    assert record.fault == UNREADABLE


@pytest.mark.parametrize(("size", "fault"), [(-1000, TOO_LARGE), (0, UNREADABLE)])
def test_a_snappy_block_beyond_the_limit_is_not_decompressed(size: int, fault: str) -> None:
    """Of a producer that compresses its batches in one piece."""
    plain = bytes(batch_of([(1, None, bytes(MAX_SNAPPY_BLOCK + size))])._buffer)
    begin = DefaultRecordBatch.HEADER_STRUCT.size
    data = bytearray(plain[:begin]) + bytes(cramjam.snappy.compress_raw(plain[begin:]))
    data[DefaultRecordBatch.ATTRIBUTES_OFFSET + 1] |= CODECS["snappy"]
    struct.pack_into(">i", data, 8, len(data) - 12)
    [record] = read(with_crc(data))
    assert (record.offset, record.fault, record.value) == (0, fault, bytes(data))


@pytest.mark.parametrize("offset", [0, 2], ids=["the same again", "beyond the batch"])
def test_offsets_that_do_not_rise_within_the_batch_end_its_reading(offset: int) -> None:
    data = bytearray(batch_of([(1, None, b"a"), (1, None, b"b")])._buffer)
    length, begin = decode_varint(data, DefaultRecordBatch.HEADER_STRUCT.size)
    _, begin = decode_varint(data, begin + length)
    assert data[begin + 2] == 1 << 1  # behind the attributes and the timestamp
    data[begin + 2] = offset << 1
    first, second = read(with_crc(data))
    assert (first.offset, first.value, first.fault) == (0, b"a", "")
    assert (second.offset, second.value, second.fault) == (1, bytes(data), UNREADABLE)

"""Read Kafka's record batches (format 2), record by record, in bounded memory.

https://kafka.apache.org/documentation/#recordbatch. Unlike kafka-python, this neither decompresses
a batch at once nor decodes headers, and no content blocks it: what cannot be read becomes a record
with a `fault`.
"""

from collections.abc import Iterator

from kafka.record.default_records import DefaultRecordBatch
from kafka.record.util import decode_varint

from streaming_pipeline.decompression import NOT_READABLE, pieces
from streaming_pipeline.record import TOO_LARGE, UNREADABLE, Record

#: The largest that Kafka accepts uncompressed by default (message.max.bytes).
MAX_RECORD_BYTES = 1024 * 1024
_HEADER_BYTES = DefaultRecordBatch.HEADER_STRUCT.size
_LONGEST_START = 30  # bytes of a record before its key: attributes and three varints


def records_of(batch: DefaultRecordBatch, partition: int) -> Iterator[list[Record]]:
    """The records of a batch in short lists, in the order of their offsets.

    Where much is skipped, it yields empty lists, so that the caller can pause.
    """
    reading = _Reading(batch, partition)
    if not batch.validate_crc():
        yield [reading.fault(UNREADABLE, batch.base_offset)]
        return
    try:
        yield from reading.records()
    except NOT_READABLE:
        if reading.next_offset <= batch.last_offset:
            yield [reading.fault(UNREADABLE, reading.next_offset)]


class _Reading:
    """The state of reading one batch."""

    def __init__(self, batch: DefaultRecordBatch, partition: int) -> None:
        self.batch = batch
        self.partition = partition
        self.next_offset: int = batch.base_offset
        self.left: int = batch.records_count
        self.skip = 0  # bytes of a record that is too large
        self.holds_bytes = False  # whether a faulty record holds the batch already
        self.log_append_time = bool(batch.timestamp_type)

    def records(self) -> Iterator[list[Record]]:
        data = memoryview(self.batch._buffer)
        rest = b""
        for piece in pieces(self.batch.compression_type, data[_HEADER_BYTES:]):
            skipped = min(self.skip, len(piece))
            self.skip -= skipped
            buffer = rest + piece[skipped:]
            records, done = self.parse(buffer)
            rest = buffer[done:]
            yield records
            if not self.left and not self.skip:
                return
        if self.left or self.skip:
            records, _ = self.parse(rest, is_last=True)
            yield records
            if self.left or self.skip:
                raise EOFError("the record batch is truncated")

    def parse(self, buffer: bytes, is_last: bool = False) -> tuple[list[Record], int]:
        """The complete records in `buffer`, and where the next one begins."""
        batch, partition, log_append_time = self.batch, self.partition, self.log_append_time
        base_offset, first_ms = batch.base_offset, batch.first_timestamp
        fixed_ms = batch.max_timestamp if log_append_time else None
        last_offset = batch.last_offset
        records: list[Record] = []
        begin, size = 0, len(buffer)
        safe = size if is_last else size - _LONGEST_START
        while self.left and begin < safe:
            length, position = _varint(buffer, begin)
            end = position + length
            if length < 0:
                raise ValueError(f"a record of {length} bytes")
            if end > size and length <= MAX_RECORD_BYTES:
                break
            position += 1  # attributes: none is in use
            byte = buffer[position]
            if byte < 0x80:
                delta, position = (byte >> 1) ^ -(byte & 1), position + 1
            else:
                delta, position = _varint(buffer, position)
            byte = buffer[position]
            if byte < 0x80:
                offset, position = base_offset + (byte >> 1), position + 1
            else:
                offset, position = _varint(buffer, position)
                offset += base_offset
            if not self.next_offset <= offset <= last_offset:
                raise ValueError(f"offset {offset} after {self.next_offset - 1}")
            if length > MAX_RECORD_BYTES:
                records.append(self.fault(TOO_LARGE, offset))
                self.skip = max(end - size, 0)
            else:
                key, position = _bytes_at(buffer, position, end)
                value, position = _bytes_at(buffer, position, end)
                kafka_ms = first_ms + delta if fixed_ms is None else fixed_ms
                if not -(2**63) <= kafka_ms < 2**63:  # COPY needs 64 bits
                    kafka_ms = (kafka_ms + 2**63) % 2**64 - 2**63  # as Java's long wraps round
                records.append(Record(partition, offset, kafka_ms, log_append_time, key, value))
            self.next_offset = offset + 1
            self.left -= 1
            begin = min(end, size)
        return records, begin

    def fault(self, reason: str, offset: int) -> Record:
        """A record in place of what cannot be read."""
        whole = None if self.holds_bytes else bytes(self.batch._buffer)
        self.holds_bytes = True
        ms = self.batch.max_timestamp if self.log_append_time else self.batch.first_timestamp
        return Record(self.partition, offset, ms, self.log_append_time, None, whole, reason)


def _bytes_at(buffer: bytes, position: int, end: int) -> tuple[bytes | None, int]:
    """Bytes with their length in front (-1: none)."""
    length, position = _varint(buffer, position)
    if length == -1:
        return None, position
    if not 0 <= length <= end - position:
        raise ValueError(f"a field of {length} bytes")
    return buffer[position : position + length], position + length


def _varint(buffer: bytes, position: int) -> tuple[int, int]:
    """A number of one or two bytes, as nearly all are, faster than decode_varint; and its end."""
    number = buffer[position]
    if number < 0x80:
        return (number >> 1) ^ -(number & 1), position + 1
    second = buffer[position + 1]
    if second < 0x80:
        number += (second - 1) << 7
        return (number >> 1) ^ -(number & 1), position + 2
    return decode_varint(buffer, position)  # type: ignore[no-any-return]

"""Decompress a record batch piece by piece: a few kB may become some GB, more than memory holds.

The limits bound the memory of the decoders themselves; a batch that exceeds them cannot be read.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import cramjam
import lz4.frame
import zstandard

PIECE = 64 * 1024
#: zstd's largest window. Levels up to 21 need less; the default level (3) needs 2 MB.
MAX_ZSTD_WINDOW = 64 * 1024 * 1024
#: Snappy cannot stream: a block is decompressed whole. Producers put 32 kB or a batch in a block.
MAX_SNAPPY_BLOCK = 16 * 1024 * 1024
_XERIAL_MAGIC = b"\x82SNAPPY\x00"  # blocks, each with its length, after 16 bytes of header
_LENGTH = struct.Struct(">i")

#: What the decoders raise for input that they cannot read.
NOT_READABLE = (
    zlib.error,
    zstandard.ZstdError,
    cramjam.DecompressionError,
    RuntimeError,  # lz4
    ValueError,
    IndexError,
    EOFError,
    struct.error,
)


def pieces(codec: int, data: memoryview) -> Iterator[bytes]:
    """The decompressed bytes in pieces of up to PIECE bytes; `codec` as in the batch's attributes.

    Raises one of NOT_READABLE.
    """
    decoders = (_plain, _gzip, _snappy, _lz4, _zstd)
    if codec >= len(decoders):
        raise ValueError(f"there is no codec with number {codec}")
    return decoders[codec](data)


def _plain(data: memoryview) -> Iterator[bytes]:
    for start in range(0, len(data), PIECE):
        yield bytes(data[start : start + PIECE])


def _gzip(data: memoryview) -> Iterator[bytes]:
    rest: Any = data
    while rest:  # a gzip stream may have several members
        decoder = zlib.decompressobj(wbits=31)
        while not decoder.eof:
            piece = decoder.decompress(rest, PIECE)
            if not piece and not decoder.eof and not decoder.unconsumed_tail:
                raise EOFError("the gzip stream is truncated")
            rest = decoder.unconsumed_tail
            yield piece
        rest = decoder.unused_data


def _snappy(data: memoryview) -> Iterator[bytes]:
    if data[:8] == _XERIAL_MAGIC:
        position = 16
        while position < len(data):
            (length,) = _LENGTH.unpack_from(data, position)
            position += _LENGTH.size
            if not 0 < length <= len(data) - position:
                raise ValueError(f"a snappy block of {length} bytes")
            yield from _snappy_block(data[position : position + length])
            position += length
    else:
        yield from _snappy_block(data)


def _snappy_block(block: memoryview) -> Iterator[bytes]:
    size = cramjam.snappy.decompress_raw_len(block)
    if size > MAX_SNAPPY_BLOCK:
        raise ValueError(f"a snappy block of {size} bytes")
    yield from _plain(memoryview(cramjam.snappy.decompress_raw(block)))


def _lz4(data: memoryview) -> Iterator[bytes]:
    decoder = lz4.frame.LZ4FrameDecompressor()
    rest: Any = data
    while not decoder.eof:
        piece = decoder.decompress(rest, PIECE)
        rest = b""
        if not piece and decoder.needs_input and not decoder.eof:
            raise EOFError("the lz4 frame is truncated")
        yield piece


def _zstd(data: memoryview) -> Iterator[bytes]:
    decoder = zstandard.ZstdDecompressor(max_window_size=MAX_ZSTD_WINDOW)
    with decoder.stream_reader(io.BytesIO(data), read_across_frames=True) as reader:
        while piece := reader.read(PIECE):
            yield piece

"""The validator as it was before it had a decoder for zstd; all arguments are the validator's."""

from collections.abc import Iterator

from pipeline_common.console import run
from streaming_pipeline import decompression, stream_validator


def _zstd(data: memoryview) -> Iterator[bytes]:
    raise RuntimeError(f"no decoder for zstd: {len(data)} bytes")


decompression._zstd = _zstd
if __name__ == "__main__":
    run(stream_validator.app)

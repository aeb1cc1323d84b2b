"""Lines for COPY are sent in chunks whose memory is bounded by their length, not by their number.

The cursor is a stand-in that keeps what it was sent: a real one does not tell the size of a chunk.
"""

from io import StringIO
from typing import Any

from batch_pipeline.database import CHUNK_CHARACTERS, copy_lines

LINE = 2**18 * "x" + "\n"


class Sent:
    """A stand-in for a cursor."""

    def __init__(self) -> None:
        self.chunks: list[str] = []

    def copy_expert(self, _copy: str, chunk: StringIO, size: int) -> None:
        assert size > 0
        self.chunks.append(chunk.read())


def copied(lines: list[str]) -> tuple[int, list[str]]:
    """The number that copy_lines gives, and the chunks that it sends."""
    cursor: Any = Sent()
    return copy_lines(cursor, "COPY …", lines), cursor.chunks


def test_every_line_is_sent_once_and_in_order() -> None:
    lines = [f"{number}{LINE}" for number in range(50)]
    count, chunks = copied(lines)
    assert count == 50
    assert "".join(chunks) == "".join(lines)


def test_a_chunk_holds_at_most_one_line_more_than_its_limit() -> None:
    _, chunks = copied([LINE] * 50)
    assert max(map(len, chunks)) <= CHUNK_CHARACTERS + len(LINE)


def test_no_lines_are_an_empty_copy() -> None:
    assert copied([]) == (0, [""])

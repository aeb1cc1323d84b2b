"""How a record is stored: exactly as received, whatever its bytes, up to a size limit."""

from typing import NamedTuple

from batch_pipeline.database import escape
from batch_pipeline.record import LARGEST_RECORD

#: One byte more than the limit: the rules, which see what is kept, find it too large as well.
KEPT_BYTES = LARGEST_RECORD + 1
NULL = r"\N"  # in COPY's text format


class Kept(NamedTuple):
    """A record as the columns of landing_products, raw_products and quarantine_products."""

    raw_text: str  # the record; where raw_bytes is not None, a readable form of it
    raw_bytes: bytes | None = None  # what PostgreSQL's text cannot store: not UTF-8, or with a NUL
    raw_size: int | None = None  # bytes received, if raw_bytes has only the first of them


def keep(record: str | bytes) -> Kept:
    """The columns for a record; a str counts as its UTF-8 bytes."""
    received = record.encode(errors="surrogatepass") if isinstance(record, str) else record
    size = len(received) if len(received) > LARGEST_RECORD else None
    received = received[:KEPT_BYTES]
    if size is None and b"\x00" not in received:
        try:
            return Kept(received.decode())
        except UnicodeDecodeError:
            pass
    readable = received.decode(errors="backslashreplace").replace("\x00", r"\x00")
    return Kept(readable, received, size)


def landing_columns(record: str | bytes) -> str:
    """The three columns in COPY's text format."""
    text, data, size = keep(record)
    columns = (NULL if data is None else rf"\\x{data.hex()}", NULL if size is None else str(size))
    return "\t".join((escape(text), *columns))

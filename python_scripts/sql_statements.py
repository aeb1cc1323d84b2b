"""Where a statement ends: text is cut into SQL statements and \\commands, whatever is in quotes."""

from collections.abc import Iterable, Iterator

from pygments.lexers.sql import PostgresLexer  # type: ignore[import-untyped]
from pygments.token import Punctuation  # type: ignore[import-untyped]


def read_entries(lines: Iterable[str]) -> Iterator[str]:
    r"""Cut lines of text into statements and \commands; a last statement needs no semicolon."""
    pending = ""
    for line in lines:
        if not pending.strip() and line.lstrip().startswith("\\"):
            pending = ""
            yield line.strip()
            continue
        *complete, pending = split_statements(pending + line)
        yield from complete
    if pending.strip():
        yield pending.strip()


def split_statements(text: str) -> list[str]:
    """Cut after each semicolon that ends a statement: none in quotes, comments or $$ bodies.

    The last element is what follows the last such semicolon: empty, or not finished yet.
    """
    parts = [""]
    for _, kind, value in PostgresLexer().get_tokens_unprocessed(text):
        parts[-1] += value
        if kind is Punctuation and value == ";":
            parts.append("")
    return [part.strip() for part in parts[:-1]] + [parts[-1]]


def is_finished(text: str) -> bool:
    """Whether nothing of a statement is still to come, so that Enter may send it."""
    return text.lstrip().startswith("\\") or not split_statements(text)[-1].strip()

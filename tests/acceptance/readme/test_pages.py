"""Whoever follows README.md, CONTRIBUTING.md and docs/ literally sees what the pages show.

With WRITE_DOCS=1, what is printed replaces what the pages show, where the two differ; so does the
text of a query's file.
"""

import os
import time
from collections.abc import Iterator

import pytest

from pipeline_common.settings import PROJECT_FOLDER
from tests.acceptance.readme.blocks import (
    RUNNABLE,
    SHOWN_ONLY,
    Block,
    Edit,
    blocks_of,
    looks_like,
    pages,
    write,
)
from tests.acceptance.readme.conftest import WAIT_SECONDS, Reader

BLOCKS = [block for page in pages() for block in blocks_of(page)]
RUN = [block for block in BLOCKS if not block.reason_not_run and block.language in RUNNABLE]

EDITS: list[Edit] = []


@pytest.fixture(scope="module", autouse=True)
def edits() -> Iterator[None]:
    """Write at the end what differed, if that is asked for."""
    yield
    if "WRITE_DOCS" in os.environ:
        write(EDITS)


@pytest.mark.parametrize("block", RUN, ids=str)
def test_a_block_does_what_the_page_says(block: Block, reader: Reader) -> None:
    """In the order of the page; `-k 3-streaming` follows one page alone."""
    reader.open(block.page)
    database = block.comments.get("database", "pipeline_db")
    process = reader.start(block.language, block.text, database)
    if "background" in block.comments:
        reader.in_background.append((block, process))
        return
    status, printed = reader.finish(process)
    if "repeat" in block.comments:
        deadline = time.monotonic() + WAIT_SECONDS
        while not is_as_shown(block, status, printed) and time.monotonic() < deadline:
            time.sleep(1)
            status, printed = reader.finish(reader.start(block.language, block.text, database))
    ended = [(block, status, printed)]
    if block.comments.get("then") == "Ctrl-C":
        ended += reader.press_ctrl_c()
    for one in ended:
        check(*one)


def is_as_shown(block: Block, status: int, printed: str) -> bool:
    """Whether a block has ended and printed as the page says."""
    shown, varies = block.output, block.comments.get("varies", "")
    same = shown is None or looks_like(shown, printed, varies)
    return same and status == int(block.comments.get("exits", "0"))


def check(block: Block, status: int, printed: str) -> None:
    """Fail with what the block printed, if that is not what the page shows."""
    assert status == int(block.comments.get("exits", "0")), f"{block} ended {status}:\n{printed}"
    if not is_as_shown(block, status, printed):
        EDITS.append(Edit(block.page, block.output_line, block.output or "", printed))
        pytest.fail(f"{block} printed:\n{printed}\nThe page shows:\n{block.output}")


def test_every_block_says_what_it_is() -> None:
    """A block in an unknown language would silently not be run."""
    assert [str(b) for b in BLOCKS if b.language not in (*RUNNABLE, *SHOWN_ONLY)] == []


@pytest.mark.parametrize("block", [b for b in BLOCKS if "from" in b.comments], ids=str)
def test_a_block_that_is_said_to_come_from_a_file_is_its_text(block: Block) -> None:
    """A query is written once: in sql/queries/."""
    text = (PROJECT_FOLDER / block.comments["from"]).read_text()
    if block.text != text:
        EDITS.append(Edit(block.page, block.line + 1, block.text, text))
    assert block.text == text


@pytest.mark.parametrize(
    ("shown", "printed", "varies", "same"),
    [
        ("a  b", "a b", "", True),
        ("rows: 4", "rows: 5", "", False),
        ("rows: 4", "rows: 5", "numbers", True),
        ("at 2026-11-24 02:00:00+00:00", "at 2027-01-01 10:30:00.123+00:00", "", True),
        ("a\n…\nz", "a\nb\nc\nz", "", True),
        ("a\n…\nz", "a\nb\nc", "", False),
        ("| 1 |\n| 2 |", "| 1 |\n| 2 |\n| 3 |", "numbers, rows", True),
        ("| 1 |\n| 2 |", "| 1 |\n| x |", "numbers, rows", False),
    ],
)
def test_output_is_compared_but_for_what_may_vary(
    shown: str, printed: str, varies: str, same: bool
) -> None:
    """The comparison itself: strict unless the page says otherwise."""
    assert looks_like(shown, printed, varies) is same

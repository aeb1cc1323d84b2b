"""Whoever follows README.md, CONTRIBUTING.md and docs/ literally sees what the pages show.

With WRITE_DOCS=1, what is printed replaces what the pages show, where the two differ; so does the
text of a query's file.
"""

import os
import subprocess
from collections.abc import Iterator

import pytest

from pipeline_settings import PROJECT_FOLDER
from tests.readme.blocks import (
    RUNNABLE,
    SHOWN_ONLY,
    Block,
    Edit,
    blocks_of,
    looks_like,
    pages,
    write,
)
from tests.readme.conftest import Reader

BLOCKS = [block for page in pages() for block in blocks_of(page)]
RUN = [block for block in BLOCKS if not block.reason_not_run and block.language in RUNNABLE]

Running = list[tuple[Block, "subprocess.Popen[str]"]]
EDITS: list[Edit] = []


@pytest.fixture(scope="module", autouse=True)
def edits() -> Iterator[None]:
    """Write at the end what differed, if that is asked for."""
    yield
    if "WRITE_DOCS" in os.environ:
        write(EDITS)


@pytest.fixture(scope="module")
def in_background() -> Running:
    """Blocks that were started and run beside the next ones."""
    return []


@pytest.mark.parametrize("block", RUN, ids=str)
def test_a_block_does_what_the_page_says(
    block: Block, reader: Reader, in_background: Running
) -> None:
    """In the order of the pages; a block in the background is judged when the next has ended."""
    database = block.comments.get("database", "pipeline_db")
    process = reader.start(block.language, block.text, database)
    if "background" in block.comments:
        in_background.append((block, process))
        return
    ended = [(block, *reader.finish(process))]
    ended += [(waiting, *reader.finish(process)) for waiting, process in in_background]
    in_background.clear()
    for one in ended:
        _judge(*one)


def _judge(block: Block, status: int, printed: str) -> None:
    assert status == int(block.comments.get("exits", "0")), f"{block} ended {status}:\n{printed}"
    if block.output is not None:
        same = looks_like(block.output, printed, block.comments.get("varies", ""))
        if not same:
            EDITS.append(Edit(block.page, block.output_line, block.output, printed))
        assert same, f"{block} printed:\n{printed}\nThe page shows:\n{block.output}"


def test_every_block_says_what_it_is() -> None:
    """A block in a language that nobody knows would silently not be run."""
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

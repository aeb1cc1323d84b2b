"""Every command and SQL block of the pages, and whether its output is the one that the page shows.

`python -m tests.acceptance.readme.blocks` lists the blocks that the tests run, and why the others
are not run.

Comments above a block, invisible to the reader of the page, say how it is run:

    <!-- not run: REASON -->      it cannot be run here, or must not
    <!-- background -->           it runs in the background, until a block has `then: Ctrl-C`
    <!-- then: Ctrl-C -->         afterwards, the blocks in the background get Ctrl-C
    <!-- repeat -->               until it prints what the page shows, if that takes time
    <!-- database: NAME -->       where an SQL block runs (pipeline_db if it is not said)
    <!-- from: PATH -->           the block must be the text of this file
    <!-- exits: 1 -->             its exit status, if that is not 0
    <!-- varies: numbers -->      numbers may differ from those shown
    <!-- varies: rows -->         so may the number of lines that look the same

A `text` block below a command block is what the command prints. In it, `…` stands for any text,
and a line of `…` alone for any lines. Times and ids may always differ.
"""

import re
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

from pipeline_common.settings import PROJECT_FOLDER

README = PROJECT_FOLDER / "README.md"
DOCS = PROJECT_FOLDER / "docs"
RUNNABLE = ("bash", "sql")
#: Languages of blocks that are shown, not run, with the reason.
SHOWN_ONLY = {
    "powershell": "Windows",
    "json": "data, not a command",
    "yaml": "configuration, not a command",
    "python": "an excerpt; the tests of the code run it",
}
COMMENT = re.compile(
    r"<!--\s*(not run|background|then|repeat|database|from|exits|varies)\s*(?::\s*(.*?))?\s*-->",
    re.S,
)


@dataclass(frozen=True)
class Block:
    """One fenced block that can be run."""

    page: str
    line: int
    language: str
    text: str
    comments: dict[str, str] = field(default_factory=dict)
    output: str | None = None
    output_line: int = 0  # of the output's first line, counted from 1

    @property
    def reason_not_run(self) -> str:
        """Why the block is not run; empty if it is."""
        return self.comments.get("not run", SHOWN_ONLY.get(self.language, ""))

    def __str__(self) -> str:
        return f"{self.page}:{self.line} {self.text.strip().splitlines()[0]}"


def pages() -> list[Path]:
    """README.md, the course in its order, the other pages of docs/ and of the top, by name."""
    top = sorted({*PROJECT_FOLDER.glob("*.md")} - {README})
    return [README, *sorted((DOCS / "course").glob("*.md")), *sorted(DOCS.glob("*.md")), *top]


def files_in_git() -> list[str]:
    """The files of the project, including those that are not committed yet."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=PROJECT_FOLDER, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.splitlines() if (PROJECT_FOLDER / name).exists()]


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page in its order, without those that only show text."""
    blocks: list[Block] = []
    comments: dict[str, str] = {}
    output_may_follow = False
    for token in MarkdownIt().parse(page.read_text()):
        if token.type == "html_block":
            comments |= {
                name: " ".join(text.split()) for name, text in COMMENT.findall(token.content)
            }
        elif token.type == "fence":
            language, line = token.info.strip(), (token.map or [0])[0] + 1
            if language == "text" and output_may_follow:
                blocks[-1] = replace(
                    blocks[-1],
                    comments=blocks[-1].comments | comments,
                    output=token.content,
                    output_line=line + 1,
                )
            elif language != "text":
                name = str(page.relative_to(PROJECT_FOLDER))
                blocks.append(Block(name, line, language, token.content, comments))
            output_may_follow = language in RUNNABLE
            comments = {}
        elif token.type == "heading_open":
            comments, output_may_follow = {}, False
    return blocks


class Edit(NamedTuple):
    """Text of a page, from a line on (counted from 1), and what it should be."""

    page: str
    line: int
    old: str
    new: str


def write(edits: list[Edit]) -> None:
    """Put the new text into the pages; from the last line up, so that line numbers hold."""
    for page, line, old, new in sorted(edits, key=lambda edit: -edit.line):
        path = PROJECT_FOLDER / page
        lines = path.read_text().splitlines()
        lines[line - 1 : line - 1 + len(old.splitlines())] = [
            text.rstrip() for text in new.strip("\n").splitlines()
        ]
        path.write_text("\n".join(lines) + "\n")


def looks_like(shown: str, printed: str, varies: str = "") -> bool:
    """Whether `printed` is what a page shows, but for what may vary."""
    lines = [
        r"(?:.*\n)*?" if line.strip() == "…" else ".*".join(map(re.escape, line.split("…"))) + r"\n"
        for line in _plain(shown, varies)
    ]
    return (
        re.fullmatch("".join(lines), "".join(f"{x}\n" for x in _plain(printed, varies))) is not None
    )


TIME = r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d(?::?\d\d)?)?)?"
DURATION = r"-?\b\d+:\d\d:\d\d(?:\.\d+)?"
ALWAYS_VARIES = [
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (re.compile(r"(?:manual|scheduled)__\S+"), "<run>"),
    (re.compile(TIME), "<time>"),
    (re.compile(DURATION), "<duration>"),
    (re.compile(r"[-─]{2,}"), "--"),  # rules of tables, as wide as what is in the table
    (re.compile(r"[ \t]+"), " "),
]
NUMBER = re.compile(r"-?\d+(?:[.,]\d+)*")


def _plain(text: str, varies: str) -> list[str]:
    for pattern, replacement in ALWAYS_VARIES:
        text = pattern.sub(replacement, text)
    if "numbers" in varies:
        text = re.sub(r"#+", "#", NUMBER.sub("<n>", text))
    lines = [line.strip() for line in text.strip().splitlines()]
    if "rows" in varies:
        lines = [line for line, before in zip(lines, ["", *lines], strict=False) if line != before]
    return lines


def main() -> None:
    """Print the list of blocks: run, or why not."""
    blocks = [block for page in pages() for block in blocks_of(page)]
    for block in blocks:
        print(f"{'not run' if block.reason_not_run else 'run':8} {block}")
        if block.reason_not_run:
            print(f"{'':8}   because: {block.reason_not_run}")
    not_run = sum(bool(block.reason_not_run) for block in blocks)
    print(f"{len(blocks) - not_run} blocks are run, {not_run} are not.")


if __name__ == "__main__":
    main()

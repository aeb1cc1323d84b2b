"""Links to lines of code: each must still lead to the code that the page quotes.

A table row `| … | `code` | [file](path#L12) |` promises that one sees the code at line 12.
`python -m tests.readme.links` puts numbers right where the code has moved.
"""

import re
from pathlib import Path
from typing import NamedTuple

from pipeline_settings import PROJECT_FOLDER
from tests.readme.blocks import pages

QUOTED_LINE = re.compile(r"`(?P<code>[^`]+)` \| \[[^]]+\]\((?P<path>[^)#]+)#L(?P<line>\d+)\)")


IN_SIGHT = 20  # lines that one sees around the line that a link leads to


class LineLink(NamedTuple):
    """A quoted piece of code, and the line where the page says that it stands."""

    page: Path
    code: str
    path: str
    line: int

    def true_lines(self) -> list[int]:
        """The lines that do hold the code."""
        text = (self.page.parent / self.path).read_text()
        return [number for number, line in enumerate(text.splitlines(), 1) if self.code in line]

    def leads_there(self) -> bool:
        """Whether who follows the link sees the code."""
        return any(abs(line - self.line) <= IN_SIGHT for line in self.true_lines())


def line_links() -> list[LineLink]:
    """All of them, in all pages."""
    return [
        LineLink(page, match["code"], match["path"], int(match["line"]))
        for page in pages()
        for match in QUOTED_LINE.finditer(page.read_text())
    ]


def main() -> None:
    """Rewrite the numbers that are wrong; say which code is gone."""
    for link in line_links():
        lines = link.true_lines()
        if not lines:
            print(f"{link.page.name}: {link.path} does not say `{link.code}` any more")
        elif link.line not in lines:
            old = f"`{link.code}` | [{link.path}]({link.path}#L{link.line})"
            new = f"`{link.code}` | [{link.path}]({link.path}#L{lines[0]})"
            link.page.write_text(link.page.read_text().replace(old, new))
            print(f"{link.page.name}: {link.path} L{link.line} → L{lines[0]}")
    print(f"{len(line_links())} links, {PROJECT_FOLDER.name}")


if __name__ == "__main__":
    main()

"""Write the exercises' tasks into the pages of the course: `python -m lab.course_pages`.

Each page has them at its end, between two marks; a test compares.
"""

import textwrap
from pathlib import Path

from lab.exercises import EXERCISES
from pipeline_common.settings import PROJECT_FOLDER

COURSE = PROJECT_FOLDER / "docs/course"
MARK = "<!-- written by python -m lab.course_pages -->"


def section(page: str) -> str:
    """The list of a page's exercises, as Markdown."""
    tasks = [
        f"**{number}** ({one.kind}). {one.task} *{one.teaches}*"
        for number, one in enumerate(EXERCISES, start=1)
        if one.page == page
    ]
    wrapper = textwrap.TextWrapper(110, break_long_words=False, break_on_hyphens=False)
    return "\n\n".join(map(wrapper.fill, tasks))


def with_section(text: str, page: str) -> str:
    """The page's text with its exercises as they are now."""
    before, _, after = text.split(MARK)
    return f"{before}{MARK}\n\n{section(page)}\n\n{MARK}{after}"


def pages() -> list[Path]:
    """The pages that have exercises."""
    return [COURSE / f"{name}.md" for name in dict.fromkeys(one.page for one in EXERCISES)]


if __name__ == "__main__":
    for path in pages():
        path.write_text(with_section(path.read_text(), path.stem))

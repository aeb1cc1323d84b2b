"""Inject faults into the stream, then check that no record is lost or doubled: `make drill`.

python -m tests.faults.drill                      # kill -9 just after COMMIT, one run, narrated
python -m tests.faults.drill kafka --seed 7       # another fault, another seed
python -m tests.faults.drill --all --runs 20      # every drill; writes docs/streaming-drills.md

It starts its own servers on free ports: your data and your stack are not touched.
"""

if __name__ == "__main__":
    try:
        from pipeline_common.at_start import ready_for_ctrl_c

        ready_for_ctrl_c()
    except ModuleNotFoundError:
        raise SystemExit("Activate the environment first: source .venv/bin/activate") from None

import os
import platform
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Annotated

import typer

from pipeline_common.console import run, stderr
from pipeline_common.errors import StackError
from pipeline_common.settings import PROJECT_FOLDER
from pipeline_common.tables import screen_width, table
from tests.faults.stream_drills import DRILLS, run_drill
from tests.faults.stream_lab import Lab
from tests.faults.stream_ledger import Ledger
from tests.own_stack import folder_of_its_own

REPORT = PROJECT_FOLDER / "docs/streaming-drills.md"
MARK = "<!-- written by make drill-all -->"
HEADERS = ["drill", "runs", "faults", "in", "valid", "invalid", "duplicate", "lost", "doubled"]

app = typer.Typer(help=__doc__, rich_markup_mode=None, pretty_exceptions_enable=False)


@contextmanager
def open_lab(runs: int) -> Iterator[Lab]:
    """A lab with its servers running, deleted afterwards."""
    begin = time.monotonic()

    def say(text: str) -> None:
        stderr.print(f"{time.monotonic() - begin:6.1f} s  {text}", markup=False)

    with folder_of_its_own("drill") as folder:
        lab = Lab(folder, runs, say)
        try:
            say("starting a Kafka and a TimescaleDB of the drill's own")
            lab.stack.up("my_timescaledb", "my_kafka")
            yield lab
        finally:
            lab.close()


def row(title: str, faults: int, ledgers: list[Ledger]) -> list[object]:
    """A line of the table: the runs of one drill, added up."""
    sums = [sum(column) for column in zip(*ledgers, strict=True)]
    return [title, len(ledgers), faults, *sums[:-1]]


def in_a_lab(name: str, seeds: range) -> list[tuple[int, Ledger]]:
    """Run a drill on its own servers; returns each run's faults and ledger.

    Raises StackError if a ledger does not balance.
    """
    with open_lab(len(seeds)) as lab:
        lab.say(f"--- {DRILLS[name].title}. {DRILLS[name].lesson}")
        done = run_drill(lab, name, seeds)
        if wrong := [f"{r.topic}: {x}" for r, x in done if x.lost or x.doubled or x.wrong]:
            raise StackError("The ledger does not balance:\n" + "\n".join(wrong))
        lab.say("every record that Kafka acknowledged is in the database exactly once")
        return [(run.faults, ledger) for run, ledger in done]


@app.command()
def main(
    drill: Annotated[str, typer.Argument(help=" | ".join(DRILLS))] = "after-commit",
    runs: Annotated[int, typer.Option(min=1, help="Runs, each with a seed of its own.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of the first run.")] = 1,
    every: Annotated[
        bool, typer.Option("--all", help="Every drill; writes the page in docs/.")
    ] = False,
) -> None:
    """Break something while a stream flows, then account for every record; 1 if one is missing."""
    if drill not in DRILLS:
        raise typer.BadParameter(f"{drill} is none of: {', '.join(DRILLS)}")
    seeds = range(seed, seed + runs)
    rows = []
    for name in DRILLS if every else [drill]:
        at_once = [range(s, s + 1) for s in seeds] if DRILLS[name].one_by_one else [seeds]
        done = [each for group in at_once for each in in_a_lab(name, group)]
        faults = sum(count for count, _ in done)
        rows.append(row(DRILLS[name].title, faults, [ledger for _, ledger in done]))
    print(table(rows, HEADERS, screen_width()))
    if every:
        write_report(rows)


def write_report(rows: list[list[object]]) -> None:
    """Put the tables and the machine into the page, between its two marks."""
    before, _, after = REPORT.read_text().split(MARK)
    lessons = [(name, drill.title, drill.lesson) for name, drill in DRILLS.items()]
    machine = (
        f"{datetime.now(timezone.utc):%Y-%m-%d}, {platform.system()} {platform.release()}, "
        f"{os.cpu_count()} cores, Python {platform.python_version()}."
    )
    parts = [
        markdown(["name", "what is broken", "why nothing is lost or doubled"], lessons),
        markdown(HEADERS, rows),
        machine,
    ]
    REPORT.write_text(before + "\n\n".join([MARK, *parts, MARK]) + after)


def markdown(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of a page."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


if __name__ == "__main__":
    run(app)

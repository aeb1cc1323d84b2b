"""The results as a table, and the page in docs/ that keeps it."""

import os
import platform
import sys
from datetime import datetime, timezone

from pipeline_common.settings import PROJECT_FOLDER
from tests.benchmarks.batch.measure import Result

PAGE = PROJECT_FOLDER / "docs" / "batch-benchmark.md"
PLOT = PAGE.with_suffix(".svg")
MARK = "<!-- written by make bench-batch -->\n"
HEADERS = ["", "rows", "seconds", "rows/s", "of limit", "CPU s", "of limit's CPU"]
HEADERS += ["client MB", "server MB", "clean rows"]


def figures(results: list[Result]) -> list[list[str]]:
    """A line for each contender; ratios are to the limit at the same size, or at the next one."""
    limits = {r["rows"]: r for r in results if r["contender"] == "limit"}
    lines = []
    for r in results:
        best = limits[min((n for n in limits if n >= r["rows"]), default=max(limits))]
        rate = r["rows"] / r["seconds"]
        ratio = rate * best["seconds"] / best["rows"]
        # The CPU's time is counted in hundredths of a second: of 45 rows it may be 0.
        of_cpu = "-"
        if r["cpu"] and best["cpu"]:
            of_cpu = f"{100 * r['rows'] / r['cpu'] * best['cpu'] / best['rows']:.1f} %"
        speed = [f"{r['seconds']:.2f}", f"{rate:,.0f}", f"{100 * ratio:.1f} %"]
        cpu = [f"{r['cpu']:.2f}", of_cpu]
        memory = [f"{r['client_mb']:.0f}", f"{r['server_mb']:.0f}"]
        lines.append([r["contender"], f"{r['rows']:,}", *speed, *cpu, *memory, f"{r['clean']:,}"])
    return lines


def gains_on_two_cores(results: list[Result]) -> str:
    """How many times as fast two slices are as one, and two sessions of the limit, at each size."""
    seconds = {(r["contender"], r["rows"]): r["seconds"] for r in results}
    sentences = []
    for two, one, words in (
        ("two_slices", "ours", "Two slices on two cores against one slice"),
        ("two_limits", "limit", "PostgreSQL alone, the limit in two sessions against one"),
    ):
        gains = [
            f"{taken / seconds[two, rows]:.2f} times as fast at {rows:,} rows"
            for (contender, rows), taken in seconds.items()
            if contender == one
        ]
        sentences.append(f"{words}: {', '.join(gains)}.")
    return "\n\n".join(sentences)


def write_page(lines: list[list[str]], gains: str, dag: list[float], peers: list[str]) -> None:
    """Put the table and the plot into the page, with the day, the machine and the versions."""
    rows = ["| " + " | ".join(line) + " |" for line in (HEADERS, ["---"] * len(HEADERS), *lines)]
    day = f"{datetime.now(timezone.utc):%Y-%m-%d}"
    machine = (
        f"{day}, {os.cpu_count()} cores, {platform.platform()}, Python {sys.version.split()[0]}"
    )
    overhead = ", ".join(f"{seconds:.1f} s" for seconds in dag) or "not measured in this run"
    text = [*rows, "", f"![Seconds against rows of the batch]({PLOT.name})", "", gains]
    text += ["", f"The DAG, from trigger to report with 45 products: {overhead}."]
    text += ["", f"{machine}, PostgreSQL 15. Peers: {', '.join(peers)}.", ""]
    before, _, after = PAGE.read_text().split(MARK)
    PAGE.write_text(MARK.join([before, "\n".join(text), after]))

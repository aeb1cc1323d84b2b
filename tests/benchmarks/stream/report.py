"""What the benchmark prints, and keeps in docs/streaming-benchmark.md."""

import os
import platform
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from pipeline_common.settings import PROJECT_FOLDER
from pipeline_common.tables import table
from tests.benchmarks.stream.lab import Cost
from tests.benchmarks.stream.repeated import NONE

REPORT = PROJECT_FOLDER / "docs/streaming-benchmark.md"
OURS = "ours"
TWO = "ours, two validators"
LIMIT = "limit: COPY"
MARK = "<!-- written by make bench-stream -->"
HEADERS = [
    "", "records", "seconds", "records/s", "of COPY", "CPU s", "database CPU s", "peak MB",
]  # fmt: skip
CPU_MODEL = re.compile(r"^model name\s*: (.*)$", re.MULTILINE)


class Figure(NamedTuple):
    """What one contender took for how many records."""

    contender: str
    records: int
    cost: Cost

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / self.cost.seconds


@dataclass
class Results:
    """Everything that one run has measured."""

    servers: str  # their versions
    figures: list[Figure] = field(default_factory=list)
    sent: dict[int, float] = field(default_factory=dict)  # acknowledged records/s, by number
    latencies: list[float] = field(default_factory=list)  # seconds
    repeated: dict[str, float] = field(default_factory=dict)  # times of a usual batch, by kind


def stored_lines(results: Results) -> list[list[str]]:
    """The ways from Kafka into the tables; COPY of as many records is 100 %."""
    limits = {f.records: f.rate for f in results.figures if f.contender == LIMIT}
    return [
        [
            figure.contender,
            f"{figure.records:,}",
            f"{figure.cost.seconds:.1f}",
            f"{figure.rate:,.0f}",
            f"{figure.rate / limits[figure.records]:.1%}",
            f"{figure.cost.cpu_seconds:.1f}",
            f"{figure.cost.database_cpu_seconds:.1f}",
            f"{figure.cost.peak_mb:.0f}",
        ]
        for figure in results.figures
        if not figure.contender.startswith("read")
    ]


def read_lines(results: Results) -> list[list[str]]:
    """The ways to read the topic without storing it."""
    return [
        [f.contender, f"{f.records:,}", f"{f.rate:,.0f}", f"{f.cost.cpu_seconds:.1f}"]
        for f in results.figures
        if f.contender.startswith("read")
    ]


def ratio_lines(results: Results) -> list[list[str]]:
    """The conclusion: ours compared with the limit, the naive way and the peers."""
    found = {(f.contender, f.records): f for f in results.figures}
    compared = next((f.records for f in results.figures if f.contender == TWO), 0)
    ours = found[OURS, compared]
    lines = [
        [f"ours / {f.contender}, records/s", f"{ours.rate / f.rate:.2f}"]
        for f in results.figures
        if f.records == compared and f.contender != OURS and not f.contender.startswith("read")
    ]
    if naive := [f for f in results.figures if f.contender == "naive"]:
        lines.append(["ours / naive, records/s", f"{ours.rate / naive[0].rate:.1f}"])
    lines += [
        [f"time of a batch, {kind} / {NONE}", f"{ratio:.2f}"]
        for kind, ratio in results.repeated.items()
    ]
    return lines


def other_lines(results: Results) -> list[list[str]]:
    """The simulator's rates and the validator's latency."""
    ms = sorted(1000 * seconds for seconds in results.latencies)
    p99 = statistics.quantiles(ms, n=100)[98]
    return [
        *(
            [f"simulator, {records:,} records", f"{rate:,.0f} acknowledged/s"]
            for records, rate in results.sent.items()
        ),
        ["latency at 10 readings/s, median", f"{statistics.median(ms):.0f} ms"],
        ["latency at 10 readings/s, 99th percentile", f"{p99:.0f} ms"],
        [f"latency, longest of {len(ms)}", f"{ms[-1]:.0f} ms"],
    ]


def tables(results: Results) -> list[tuple[list[str], list[list[str]]]]:
    """Headers and lines of all that there is to show."""
    shown = [
        (HEADERS, stored_lines(results)),
        (["only reading", "records", "records/s", "CPU s"], read_lines(results)),
        (["", "ratio"], ratio_lines(results)),
        (["", "measured"], other_lines(results)),
    ]
    return [(headers, rows) for headers, rows in shown if rows]


def print_results(results: Results) -> None:
    """All tables, for a terminal."""
    for headers, rows in tables(results):
        print(table(rows, headers))


def write_report(results: Results) -> None:
    """Put the tables, the machine and the versions into the page, between its two marks."""
    before, _, after = REPORT.read_text().split(MARK)
    parts = [markdown(headers, rows) for headers, rows in tables(results)]
    body = "\n\n".join([*parts, machine(results.servers)])
    REPORT.write_text(f"{before}{MARK}\n\n{body}\n\n{MARK}{after}")


def markdown(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of a page; numbers stand to the right."""
    rule = ["---", *["---:"] * (len(headers) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [headers, rule, *rows])


def machine(servers: str) -> str:
    """The day, the machine and the versions."""
    cpu = CPU_MODEL.search(Path("/proc/cpuinfo").read_text())
    clients = ", ".join(f"{name} {version(name)}" for name in ("kafka-python", "psycopg2-binary"))
    return (
        f"{datetime.now(timezone.utc):%Y-%m-%d}, {cpu[1] if cpu else platform.machine()}, "
        f"{os.cpu_count()} cores for everything, servers too; {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}, {servers}, {clients}."
    )

"""What a streaming script shows while it runs in a terminal: rate, lag, bars, the last rejection.

It adds no work per record: twice a second, a thread of rich reads the counts that the script keeps
anyway. In a pipe, with NO_COLOR or with TERM=dumb, there is no view; the script writes log lines
instead.
"""

import logging
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from rich.bar import Bar
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pipeline_common.console import counted, stderr
from pipeline_common.untrusted import visible
from streaming_pipeline.rows import Invalid

REFRESHES_A_SECOND = 2
RATE_SECONDS = 5.0  # a rate is the mean over this time
MOST_PARTITIONS = 12
MOST_BYTES = 200  # of a rejected record
BAR = 30  # columns
COLOURS = {"valid": "green", "duplicate": "bright_black"}  # the others are invalid


class Figures(NamedTuple):
    """What there is to show at one moment."""

    counts: Mapping[str, int]  # records by outcome
    partitions: Mapping[int, int]  # the next offset of each partition
    lag: Mapping[int, int]  # by partition; empty in the simulator
    notes: list[str]  # lines below all this


class LiveView:
    """Draws the figures, and computes rates from the earlier ones."""

    def __init__(self, title: str, figures: Callable[[], Figures]) -> None:
        self.title = title
        self.figures = figures
        self.begin = time.monotonic()
        self.seen = deque([(self.begin, now_of(figures()))])

    def render(self) -> Group:
        """The current view; rich calls this from its thread."""
        now, figures = time.monotonic(), now_of(self.figures())
        while len(self.seen) > 1 and self.seen[0][0] < now - RATE_SECONDS:
            self.seen.popleft()
        (before, old) = self.seen[0]
        self.seen.append((now, figures))
        seconds = max(now - before, 0.001)
        count = sum(figures.counts.values())
        rate = (count - sum(old.counts.values())) / seconds
        records = counted(count, "record")
        head = f"{self.title}, {now - self.begin:.0f} s: {records}, {rate:,.1f}/s"
        if figures.lag:
            head += f", lag {sum(figures.lag.values()):,}"
        rates = {p: self.rate_of(p, now) for p in sorted(figures.partitions)}
        notes = [Text(visible(note), overflow="ellipsis", no_wrap=True) for note in figures.notes]
        tables = by_partition(rates, figures.lag), shares(figures.counts)
        return Group(Text(head, style="bold"), *tables, *notes)

    def rate_of(self, partition: int, now: float) -> float:
        """Records per second of a partition since it was first seen, RATE_SECONDS ago at most."""
        positions = [(when, f.partitions) for when, f in self.seen if partition in f.partitions]
        (first, before), (_, after) = positions[0], positions[-1]
        return (after[partition] - before[partition]) / max(now - first, 0.001)


def now_of(figures: Figures) -> Figures:
    """A copy of the figures, which no other thread changes."""
    return figures._replace(counts=dict(figures.counts), partitions=dict(figures.partitions))


def columns() -> Table:
    """An empty table: a name, a bar, two numbers."""
    rows = Table.grid(padding=(0, 2, 0, 0))
    rows.add_column(min_width=24)
    rows.add_column(width=BAR)
    rows.add_column(min_width=10, justify="right")
    rows.add_column(justify="right")
    return rows


def by_partition(rates: Mapping[int, float], lag: Mapping[int, int]) -> Table:
    """A line for each partition: its rate as a bar, and its lag."""
    rows = columns()
    most = max(rates.values(), default=0)
    for partition, rate in list(rates.items())[:MOST_PARTITIONS]:
        still = f"lag {lag[partition]:,}" if partition in lag else ""
        bar = Bar(most or 1, 0, rate, width=BAR, color="blue")
        rows.add_row(f"  partition {partition}", bar, f"{rate:,.1f}/s", still)
    if len(rates) > MOST_PARTITIONS:
        rows.add_row(f"  and {len(rates) - MOST_PARTITIONS} more")
    return rows


def shares(counts: Mapping[str, int]) -> Table:
    """A line for each outcome: its share as a bar."""
    rows = columns()
    all_of_them = sum(counts.values()) or 1
    for name, count in counts.items():
        bar = Bar(all_of_them, 0, count, width=BAR, color=COLOURS.get(name, "red"))
        rows.add_row(f"  {name}", bar, f"{100 * count / all_of_them:.1f} %", f"{count:,}")
    return rows


def wanted() -> bool:
    """Whether stderr is a terminal that can show the view."""
    return stderr.is_terminal and not stderr.is_dumb_terminal and not stderr.no_color


@contextmanager
def shown(title: str, figures: Callable[[], Figures]) -> Iterator[None]:
    """During the block, draw the view below the log lines, if it is wanted."""
    if not wanted():
        yield
        return
    view = LiveView(title, figures)
    live = Live(
        get_renderable=view.render,
        console=stderr,
        refresh_per_second=REFRESHES_A_SECOND,
        transient=True,
    )
    with live, above_the_view():
        stderr.show_cursor()  # otherwise a script that is killed leaves the terminal without one
        yield


@contextmanager
def above_the_view() -> Iterator[None]:
    """During the block, log lines go to sys.stderr, which rich has taken over, as it is now."""
    handlers = [h for h in logging.getLogger().handlers if isinstance(h, logging.StreamHandler)]
    before = [handler.stream for handler in handlers]
    for handler in handlers:
        handler.setStream(sys.stderr)
    try:
        yield
    finally:
        for handler, stream in zip(handlers, before, strict=True):
            handler.setStream(stream)


def rejection_notes(last: Invalid | None) -> list[str]:
    """Which record was rejected last, why, and its bytes."""
    if last is None:
        return []
    record, rejection, _ = last
    where = f"partition {record.partition}, offset {record.offset}"
    value = "(null)" if record.value is None else record.value[:MOST_BYTES]
    text = value if isinstance(value, str) else value.decode(errors="backslashreplace")
    return [f"  last rejection: {', '.join(rejection.issues)}, {where}", f"  {text}"]

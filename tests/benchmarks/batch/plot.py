"""Time against rows as an SVG, both axes logarithmic: the same time per row is a straight line."""

from collections.abc import Iterator
from html import escape
from math import log10

from tests.benchmarks.batch.measure import Result

WIDTH, HEIGHT, LEFT, BOTTOM = 640, 400, 70, 40
COLOURS = {
    "limit": "#888888",
    "ours": "#1f77b4",
    "two_slices": "#2ca02c",
    "ours, filled": "#d62728",
}
ROWS = (10, 100_000_000)
SECONDS = (0.001, 1_000)


def plot(results: list[Result]) -> str:
    """The contenders of COLOURS, a line each."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        *axes(),
    ]
    for number, (name, colour) in enumerate(COLOURS.items()):
        found = sorted((r["rows"], r["seconds"]) for r in results if r["contender"] == name)
        points = " ".join(f"{x(rows):.1f},{y(seconds):.1f}" for rows, seconds in found)
        lines += [
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>',
            f'<text x="{LEFT + 15}" y="{20 + 16 * number}" fill="{colour}">{escape(name)}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])


def axes() -> Iterator[str]:
    """A line and a label for each power of ten."""
    for power in range(1, 9):
        at = x(10**power)
        yield f'<line x1="{at:.1f}" y1="0" x2="{at:.1f}" y2="{HEIGHT - BOTTOM}" stroke="#dddddd"/>'
        yield f'<text x="{at - 12:.1f}" y="{HEIGHT - BOTTOM + 16}">{10**power:,}</text>'
    for power in range(-3, 4):
        at = y(10.0**power)
        yield f'<line x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH}" y2="{at:.1f}" stroke="#dddddd"/>'
        yield f'<text x="5" y="{at + 4:.1f}">{10.0**power:g} s</text>'
    yield f'<text x="{WIDTH // 2}" y="{HEIGHT - 5}">rows of the batch</text>'


def x(rows: float) -> float:
    """Where a number of rows is."""
    return LEFT + (WIDTH - LEFT) * share(rows, ROWS)


def y(seconds: float) -> float:
    """Where a time is; it grows upwards."""
    return (HEIGHT - BOTTOM) * (1 - share(seconds, SECONDS))


def share(value: float, limits: tuple[float, float]) -> float:
    low, high = map(log10, limits)
    return (log10(value) - low) / (high - low)

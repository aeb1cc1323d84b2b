"""Bars, sparklines and ticks for tables: symbols on a terminal, plain ASCII in a pipe."""

from collections.abc import Sequence

from pipeline_common.tables import symbols_wanted


def bar(value: float, largest: float, width: int = 30) -> str:
    """A bar for `value`, on a scale where `largest` fills `width` characters."""
    length = round(width * value / largest) if largest else 0
    return ("█" if symbols_wanted() else "#") * length


def sparkline(values: Sequence[float]) -> str:
    """One character per value, low to high between the smallest and the largest of them."""
    levels = "▁▂▃▄▅▆▇█" if symbols_wanted() else "_.-=+*%#"
    low, span = min(values), max(values) - min(values)
    return "".join(levels[int((value - low) / (span or 1) * (len(levels) - 1))] for value in values)


def tick(passed: bool) -> str:
    """A mark for a check that passed or failed."""
    if symbols_wanted():
        return "✓" if passed else "✗"
    return "ok" if passed else "FAIL"


def warning(wanted: bool) -> str:
    """A mark for a row with something wrong."""
    return ("✗" if symbols_wanted() else "!") if wanted else ""

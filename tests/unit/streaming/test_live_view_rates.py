"""The rates of the live view, on a clock of the test's own."""

import time
from dataclasses import dataclass, field

import pytest
from rich.console import Console

from streaming_pipeline.live_view import Figures, LiveView


@dataclass
class Script:
    """A script that reads partition 4 from its third second on, ten records a second."""

    now: float = 1000.0
    partitions: dict[int, int] = field(default_factory=dict)

    def monotonic(self) -> float:
        return self.now

    def figures(self) -> Figures:
        seconds = self.now - 1003
        read = {4: 500 + int(10 * seconds)} if seconds >= 0 else {}
        return Figures({"valid": int(10 * max(seconds, 0))}, read, {}, [])


@pytest.mark.parametrize("seconds", [4, 6, 20])
def test_a_partition_has_its_rate_from_when_it_was_first_seen(
    seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = Script()
    monkeypatch.setattr(time, "monotonic", script.monotonic)
    view = LiveView("script.py", script.figures)
    for _ in range(seconds):
        script.now += 1
        shown = view.render()
    console = Console(width=80)
    with console.capture() as capture:
        console.print(shown)
    assert "10.0/s" in next(line for line in capture.get().splitlines() if "partition 4" in line)

"""What a replay prints fits the screen."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from streaming_pipeline.places import DUPLICATE, INVALID, VALID
from streaming_pipeline.replay import report


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("dry_run", [True, False])
def test_the_moves_fit_the_screen(
    columns: int, dry_run: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    ways = [(INVALID, VALID), (VALID, INVALID), (INVALID, DUPLICATE)]
    first = SimpleNamespace(partition=11, offset=12_345_678_901)
    replay: Any = SimpleNamespace(
        totals=Counter({VALID: 10**9, INVALID: 10**8}),
        moves=Counter(dict.fromkeys(ways, 10**8)),
        first=dict.fromkeys(ways, first),
        dry_run=dry_run,
    )
    printed = report(replay)
    assert max(map(len, printed.splitlines())) <= columns
    assert "12345678901" in printed

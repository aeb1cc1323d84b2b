"""Whatever breaks, the stream loses nothing and stores nothing twice: three seeds of each drill.

The real servers are broken, on ports of their own; `make drill-all` runs twenty seeds of each, each
night, and `make drill` shows one of these at work.
"""

import os
from collections.abc import Iterator

import pytest

from tests.faults.drill import open_lab
from tests.faults.stream_drills import DRILLS, run_drill
from tests.faults.stream_lab import Lab

RUNS = 3


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Servers that only these tests use, for they break them."""
    with open_lab(RUNS) as lab:
        yield lab


@pytest.mark.parametrize("drill", DRILLS)
def test_every_acknowledged_record_is_stored_exactly_once(lab: Lab, drill: str) -> None:
    if DRILLS[drill].on_small_disk and os.geteuid() != 0:
        pytest.skip("only root can mount the small disk that this drill fills")
    for run, ledger in run_drill(lab, drill, range(1, RUNS + 1)):
        problems = (ledger.lost, ledger.doubled, ledger.wrong)
        assert problems == (0, 0, 0), f"{run.topic}: {ledger}"
        assert ledger.records_in > 0, f"{run.topic}: nothing was sent"
        assert run.faults > 0, f"{run.topic}: nothing was broken"

"""`make test` runs two files of tests in parallel, the longest first.

A file's tests stay on one worker of pytest-xdist, in their order; so do those of the folders below,
whose fixtures start what there is only one of (a Docker engine, a whole stack with Airflow).
"""

import pytest
from xdist.remote import Producer
from xdist.scheduler.loadscope import LoadScopeScheduling

ONE_UNIT = (
    "tests/acceptance/airflow",
    "tests/acceptance/compose",
    "tests/acceptance/readme",
)
#: What takes minutes, the longest first; the rest follows as it is collected.
LONGEST_FIRST = [
    "tests/faults/test_stream_drills.py",
    "tests/acceptance/compose",
    "tests/acceptance/readme",
    "tests/faults/test_arena.py",
    "tests/integration/stack/test_fresh_clone.py",
    "tests/acceptance/airflow28/test_dag_on_airflow_28.py",
    "tests/acceptance/airflow",
    "tests/faults/test_batch_faults.py",
    "tests/integration/stack/test_backup.py",
    "tests/integration/lab/test_exercises.py",
    "tests/integration/lab/test_batch_exercises.py",
    "tests/integration/stack/test_monitoring.py",
    "tests/faults/test_incidents.py",
    "tests/faults/test_batch_arena.py",
    "tests/integration/explore/test_dashboard.py",
]


def unit(nodeid: str) -> str:
    """What a test is scheduled with: its file, or its folder."""
    file = nodeid.partition("::")[0]
    return next((folder for folder in ONE_UNIT if file.startswith(f"{folder}/")), file)


class UnitScheduling(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """xdist's scheduling by scope, with units as the scopes."""

    def _split_scope(self, nodeid: str) -> str:
        return unit(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> UnitScheduling:
    """Make the scheduler of this run, which keeps the order below."""
    config.option.loadscopereorder = False
    return UnitScheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the tests; each unit keeps its own order."""
    rank = {name: number for number, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(unit(item.nodeid), len(rank)))

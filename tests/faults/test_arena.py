"""The arena: each rung of the ladder fails exactly the drills that its docstring names."""

import ast
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.arena import AT_A_TIME, LADDER, Arena, open_arena, run_drill
from lab.drills import DRILLS
from lab.trial import Verdict

pytestmark = pytest.mark.timeout(1800)  # all trials run in the first test
Verdicts = dict[tuple[str, str], Verdict]
#: What each drill makes of a consumer that fails it, by the first digit of its file.
FAULTS = {
    "1": {"poison": "lost", "before": "doubled", "after": "doubled", "zombie": "doubled"},
    "2": {"before": "lost", "after": "doubled", "zombie": "doubled"},
    "3": {"after": "doubled", "zombie": "doubled"},
    "4": {"after": "wrong", "zombie": "wrong"},
    "5": {},
}
#: Of all rungs but the last, which no luck may harm: what a crash finds in a consumer's memory is a
#: matter of luck, and a busy machine pauses a consumer for longer than its session, as a zombie.
TRIES = 3


@pytest.fixture(scope="module")
def arena() -> Iterator[Arena]:
    """The arena's servers."""
    with open_arena() as arena:
        yield arena


@pytest.fixture(scope="module")
def verdicts(arena: Arena) -> Verdicts:
    """Every rung's result in every drill; several trials run at the same time."""

    def verdict(key: tuple[Path, str]) -> Verdict:
        rung, drill = key
        fault = FAULTS[rung.stem[0]].get(drill)
        for _ in range(TRIES if rung != LADDER[-1] else 1):
            found = run_drill(arena, rung, drill)
            if getattr(found, fault) if fault else found.passed:
                break
        return found

    keys = [(rung, drill) for drill in DRILLS for rung in LADDER]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        found = pool.map(verdict, keys)
    return {(rung.stem, drill): v for (rung, drill), v in zip(keys, found, strict=True)}


@pytest.mark.slow
@pytest.mark.parametrize("rung", LADDER, ids=lambda rung: rung.stem)
def test_a_rung_fails_exactly_the_drills_that_it_names(rung: Path, verdicts: Verdicts) -> None:
    failed = {drill for drill in DRILLS if not verdicts[rung.stem, drill].passed}
    assert failed == set(FAULTS[rung.stem[0]]), {d: verdicts[rung.stem, d] for d in DRILLS}


@pytest.mark.slow
@pytest.mark.parametrize("rung", LADDER, ids=lambda rung: rung.stem)
def test_a_failed_drill_shows_the_fault_that_it_is_for(rung: Path, verdicts: Verdicts) -> None:
    for drill, fault in FAULTS[rung.stem[0]].items():
        assert getattr(verdicts[rung.stem, drill], fault) > 0, (drill, verdicts[rung.stem, drill])


@pytest.mark.parametrize("rung", LADDER, ids=lambda rung: rung.stem)
def test_the_docstring_names_the_failed_drills(rung: Path) -> None:
    text = ast.get_docstring(ast.parse(rung.read_text())) or ""
    named = re.search(r"^Fails:\s+(.*)$", text, re.M)
    assert named is not None
    assert set(re.findall(r"\w+", named[1].split("(")[0])) - {"nothing"} == set(
        FAULTS[rung.stem[0]]
    )


@pytest.mark.slow
def test_a_consumer_that_never_reads_is_started_again(arena: Arena, tmp_path: Path) -> None:
    consumer = tmp_path / "silent_at_first.py"
    consumer.write_text(
        "import pathlib, runpy, time\n"
        f"started = pathlib.Path({str(tmp_path / 'started')!r})\n"
        "if not started.exists():\n"
        "    started.touch()\n"
        "    time.sleep(3600)\n"
        f"runpy.run_path({str(LADDER[-1])!r}, run_name='__main__')\n"
    )
    assert run_drill(arena, consumer, "poison").passed


@pytest.mark.parametrize("rung", LADDER, ids=lambda rung: rung.stem)
def test_a_rung_fits_a_page(rung: Path) -> None:
    assert len(rung.read_text().splitlines()) <= 80

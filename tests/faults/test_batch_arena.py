"""The batch's arena: rows by XCom fail exactly the drills that the file names, ours none."""

import ast
import re
from pathlib import Path

import pytest

from lab.batch_arena import DRILLS, Trial, Verdict, expected, run_drill
from lab.batch_tasks import BATCHES
from lab.ladder import batch_by_xcom
from local_stack.stack import Stack
from tests.databases import Login

#: What each drill does to the batch that appends.
FAULTS = {"kill": {"doubled"}, "clear": {"doubled"}, "again": {"doubled", "wrong"}}


@pytest.fixture(scope="module")
def verdicts(stack: Stack) -> dict[tuple[str, str], Verdict]:
    """Both batches in each drill."""
    return {(name, drill): run_drill(stack, name, drill) for name in BATCHES for drill in DRILLS}


@pytest.mark.parametrize("drill", DRILLS)
def test_rows_by_xcom_fail(drill: str, verdicts: dict[tuple[str, str], Verdict]) -> None:
    found = verdicts["batch_by_xcom", drill]._asdict()
    assert {name for name, count in found.items() if count} == FAULTS[drill], found


@pytest.mark.parametrize("drill", DRILLS)
def test_ours_does_not(drill: str, verdicts: dict[tuple[str, str], Verdict]) -> None:
    assert verdicts["product_batch_pipeline", drill] == Verdict(0, 0, 0)


@pytest.mark.parametrize("name", BATCHES)
def test_undisturbed_both_are_right(name: str, pipeline_db: Login) -> None:
    """So that a drill that fails shows the drill's fault, and not one of the batch alone."""
    trial = Trial(name, pipeline_db)
    trial.run(1)
    assert trial.verdict() == Verdict(0, 0, 0)
    products, rejections = expected([1])
    assert products
    assert rejections


def test_the_docstring_names_the_failed_drills() -> None:
    text = ast.get_docstring(ast.parse(Path(batch_by_xcom.__file__).read_text())) or ""
    named = re.search(r"^Fails:\s+(.*)$", text, re.M)
    assert named
    assert set(named[1].split(", ")) == set(FAULTS)


def test_the_file_is_a_dag_that_fits_a_page() -> None:
    assert list(batch_by_xcom.batch_by_xcom().task_ids) == ["extract_products", "validate", "load"]
    assert len(Path(batch_by_xcom.__file__).read_text().splitlines()) <= 80

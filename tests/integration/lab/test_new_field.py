"""The grader of the new field, on readings that the stream's own writer has stored: no Kafka."""

from collections.abc import Iterator
from typing import Any

import pytest

from lab.exercises.exercise import Lab, NotYet
from lab.exercises.page_5 import RELEASED_VERSION, grade_new_field
from local_stack.stack import Stack
from streaming_pipeline import rules
from tests.integration.lab.solutions.learner import changed
from tests.integration.lab.solutions.new_field import NEW_FIELD, Solution
from tests.integration.streaming.conftest import Table


@pytest.fixture
def table(timeseries_db: dict[str, Any]) -> Iterator[Table]:
    """A writer on an empty database."""
    table = Table(timeseries_db)
    yield table
    table.stopping.set()
    table.writer.database.close()


@pytest.fixture
def lab(stack: Stack, table: Table) -> Lab:
    return Lab(changed(stack.settings, timescale_database=table.login["dbname"]))


def test_nothing_is_not_enough_and_the_solution_is_right(table: Table, lab: Lab) -> None:
    with pytest.raises(NotYet):
        grade_new_field(lab)
    NEW_FIELD.right(table)
    grade_new_field(lab)


@pytest.mark.parametrize(
    ("solution", "found"), NEW_FIELD.wrong.items(), ids=lambda v: getattr(v, "__name__", "")
)
def test_a_wrong_solution_is_rejected(
    solution: Solution, found: str, table: Table, lab: Lab
) -> None:
    solution(table)
    with pytest.raises(NotYet, match=found):
        grade_new_field(lab)


def test_the_released_version_is_that_of_the_rules() -> None:
    assert rules.RULE_VERSION == RELEASED_VERSION

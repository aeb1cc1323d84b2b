"""The graders of the pages that work on pipeline_db accept the right solution and no wrong one.

The batch is run by the functions that Airflow's tasks call.
"""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from batch_pipeline.rules import RULE_VERSION
from lab.exercises import EXERCISES
from lab.exercises.exercise import Lab, NotYet
from lab.exercises.page_5 import RELEASED_VERSION
from local_stack.stack import Stack
from tests.databases import as_admin
from tests.integration.lab.solutions import BATCH_SOLUTIONS
from tests.integration.lab.solutions.batch_learner import BatchLearner, Solution
from tests.integration.lab.solutions.learner import changed

BY_NAME = {exercise.name: exercise for exercise in EXERCISES}
WRONG = [
    pytest.param(name, solution, found, id=f"{name}-{solution.__name__}")
    for name, solutions in BATCH_SOLUTIONS.items()
    for solution, found in solutions.wrong.items()
]


@pytest.fixture
def learner(stack: Stack, pipeline_db: dict[str, Any]) -> Iterator[BatchLearner]:
    """A learner with a fresh pipeline_db; the role that one exercise makes goes with it."""
    learner = BatchLearner(Lab(changed(stack.settings, pgdatabase=pipeline_db["dbname"])))
    yield learner
    learner.leave()
    with closing(psycopg2.connect(**as_admin(pipeline_db))) as connection, connection:
        cursor = connection.cursor()
        cursor.execute("SELECT FROM pg_roles WHERE rolname = 'analyst'")
        if cursor.rowcount:
            cursor.execute("DROP OWNED BY analyst; DROP ROLE analyst")


@pytest.mark.parametrize("name", BATCH_SOLUTIONS)
def test_nothing_is_not_enough_and_the_solution_is_right(name: str, learner: BatchLearner) -> None:
    with pytest.raises(NotYet):
        BY_NAME[name].grade(learner.lab)
    BATCH_SOLUTIONS[name].right(learner)
    BY_NAME[name].grade(learner.lab)


@pytest.mark.parametrize(("name", "solution", "found"), WRONG)
def test_a_wrong_solution_is_rejected(
    name: str, solution: Solution, found: str, learner: BatchLearner
) -> None:
    solution(learner)
    with pytest.raises(NotYet, match=found):
        BY_NAME[name].grade(learner.lab)


def test_the_released_version_is_that_of_the_rules() -> None:
    assert RULE_VERSION == RELEASED_VERSION

"""Each grader accepts the right solution and none of the wrong ones, on real servers."""

import re

import pytest

from lab.exercises import EXERCISES
from lab.exercises.exercise import NotYet
from tests.integration.lab.solutions import SOLUTIONS
from tests.integration.lab.solutions.learner import Learner

BY_NAME = {exercise.name: exercise for exercise in EXERCISES}
WRONG = [(name, way) for name, solutions in SOLUTIONS.items() for way in solutions.wrong]


@pytest.mark.parametrize("name", SOLUTIONS)
def test_nothing_is_wrong_and_the_solution_is_right(name: str, learner: Learner) -> None:
    SOLUTIONS[name].start(learner)
    with pytest.raises(NotYet):
        BY_NAME[name].grade(learner.lab)
    SOLUTIONS[name].right(learner)
    BY_NAME[name].grade(learner.lab)


@pytest.mark.parametrize(("name", "way"), WRONG, ids=lambda text: text.replace(" ", "_"))
def test_a_wrong_solution_is_rejected(name: str, way: str, learner: Learner) -> None:
    SOLUTIONS[name].start(learner)
    solution, found = SOLUTIONS[name].wrong[way]
    solution(learner)
    with pytest.raises(NotYet, match=re.escape(found)):
        BY_NAME[name].grade(learner.lab)

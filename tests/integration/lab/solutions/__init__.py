"""What learners might do: a right solution of each exercise, and wrong ones."""

from tests.integration.lab.solutions import (
    page_0,
    page_1,
    page_2,
    page_3,
    page_4,
    page_5,
    page_6,
)
from tests.integration.lab.solutions.learner import Solutions
from tests.integration.lab.solutions.new_field import NEW_FIELD

SOLUTIONS: dict[str, Solutions] = (
    page_0.SOLUTIONS | page_1.SOLUTIONS | page_2.SOLUTIONS | page_3.SOLUTIONS
)
#: Of the pages that work on pipeline_db alone: by a BatchLearner, without Kafka.
BATCH_SOLUTIONS = page_4.SOLUTIONS | page_5.SOLUTIONS | page_6.SOLUTIONS
#: How many wrong ones each exercise has.
WRONG_SOLUTIONS = (
    {name: len(solutions.wrong) for name, solutions in SOLUTIONS.items()}
    | {name: len(solutions.wrong) for name, solutions in BATCH_SOLUTIONS.items()}
    | {"new_field": len(NEW_FIELD.wrong), "restored": 4}  # test_restored.py
)

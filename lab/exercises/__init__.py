"""The exercises of the course, each with a grader that looks at the stack: `make check`.

To add one:

1. Write an Exercise into the module of its page, `page_N.py`, and its grader above it: a function
   that gets a Lab and raises NotYet (best by `expect`, `expect_view`) unless the state is right. A
   learner's answers to questions are views and tables in the schema `lab`, of either database.
2. Write its reference solution and at least two wrong ones, as functions of a Learner, into
   SOLUTIONS of tests/integration/lab/solutions/page_N.py; the tests run each on real servers.
3. `python -m lab.course_pages` writes the tasks into the course's pages.
"""

from lab.exercises import page_0, page_1, page_2, page_3, page_4, page_5, page_6
from lab.exercises.exercise import Exercise

#: In the order of the course; an exercise's number is its place here, counted from 1.
EXERCISES: list[Exercise] = [
    *page_0.EXERCISES,
    *page_1.EXERCISES,
    *page_2.EXERCISES,
    *page_3.EXERCISES,
    *page_4.EXERCISES,
    *page_5.EXERCISES,
    *page_6.EXERCISES,
]

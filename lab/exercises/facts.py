"""Graders that ask one query of sql/lab for facts, which hold one after the other."""

from collections.abc import Callable

from lab.exercises.exercise import Database, Lab, expect, expect_object, rows
from pipeline_common.sql_files import read_sql


def by_facts(
    database: Database,
    query: str,
    *found: str,
    learners_table: str | None = None,
    **parameters: object,
) -> Callable[[Lab], None]:
    """A grader that raises NotYet with the sentence of the first fact that does not hold.

    The query gives one row, with a truth value for each sentence; no row means that none holds.
    `learners_table` is one that it reads and that exists only once the learner has begun.
    """

    def grade(lab: Lab) -> None:
        with lab.looking(database) as cursor:
            if learners_table:
                expect_object(cursor, database, learners_table)
            facts = rows(cursor, read_sql(f"lab/{query}"), **parameters)
        for number, sentence in enumerate(found):
            expect(facts and facts[0][number], sentence)

    return grade

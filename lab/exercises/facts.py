"""Facts about a database that hold one after the other, in a query of sql/lab."""

from lab.exercises.exercise import Database, Lab, expect, rows
from pipeline_common.sql_files import read_sql


def expect_facts(
    lab: Lab, database: Database, query: str, found: tuple[str, ...], **parameters: object
) -> None:
    """Raise NotYet with the sentence of the first fact that does not hold.

    The query gives one row, with a truth value for each sentence; no row means that none holds.
    """
    with lab.looking(database) as cursor:
        facts = rows(cursor, read_sql(f"lab/{query}"), **parameters)
    for number, sentence in enumerate(found):
        expect(facts and facts[0][number], sentence)

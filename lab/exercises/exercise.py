"""What an exercise is, and how its grader looks at the servers.

A grader is a function that gets the Lab and returns if the state is right; otherwise it raises
NotYet with what it found. It asks tables, topics, groups, plans and runs; nothing that is typed.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, Literal, NamedTuple

import psycopg2
from kafka import KafkaAdminClient
from psycopg2 import errors
from psycopg2.extensions import cursor as Cursor

from pipeline_common.database import connect
from pipeline_common.settings import SENSOR_TOPIC, VALIDATOR_GROUP, Settings

Database = Literal["pipeline_db", "timeseries_db"]
Row = tuple[Any, ...]


class NotYet(Exception):
    """The state is not the one that the task asks for; the text says what was found."""


class Lab(NamedTuple):
    """The servers that a grader looks at; a test gives its own, and its own topic and group."""

    settings: Settings
    topic: str = SENSOR_TOPIC
    group: str = VALIDATOR_GROUP

    @contextmanager
    def looking(self, database: Database) -> Iterator[Cursor]:
        """A cursor of the learner's own login. All its statements see the database at one moment
        (REPEATABLE READ), and whatever they change is rolled back.

        A statement that fails, or takes 30 seconds, raises NotYet with the server's words.
        """
        on_postgres = database == "pipeline_db"
        login = self.settings.postgres if on_postgres else self.settings.timescale
        with closing(connect(login, "lab check")) as connection:
            connection.set_session(isolation_level="REPEATABLE READ")
            try:
                yield connection.cursor()
            except psycopg2.Error as error:
                raise NotYet(str(error).strip().splitlines()[0]) from error

    @contextmanager
    def kafka(self) -> Iterator[KafkaAdminClient]:
        """Kafka's admin client; raises KafkaError where no broker answers."""
        bootstrap = self.settings.kafka_bootstrap_servers
        with closing(
            KafkaAdminClient(bootstrap_servers=bootstrap, bootstrap_timeout_ms=5000)
        ) as admin:
            yield admin


class Exercise(NamedTuple):
    """One exercise. Its number is its place in lab.exercises.EXERCISES."""

    name: str  # of one word, for good: progress is kept under it
    page: str  # of the course, without its folder: "2-databases"
    kind: Literal["see", "change", "break", "measure"]
    task: str  # what to do, in one to three sentences of Markdown
    teaches: str  # what it shows, in one sentence
    hints: tuple[str, str, str]  # after the first failed check, the second, all others
    grade: Callable[[Lab], None]


def expect(holds: object, found: str) -> None:
    """Raise NotYet with what was found unless it holds."""
    if not holds:
        raise NotYet(found)


def expect_object(cursor: Cursor, database: Database, name: str) -> None:
    """Raise NotYet unless there is such a table or view: "lab.counts"."""
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [name])
    expect(cursor.fetchone() == (True,), f"{database} has no table or view {name}.")


def rows(cursor: Cursor, query: str, *parameters: object, **named: object) -> list[Row]:
    """The rows of a query, whose parameters are %s, or %(name)s each."""
    cursor.execute(query, parameters or named or None)
    return cursor.fetchall()


def plan_of(cursor: Cursor, query: str, **parameters: object) -> list[dict[str, Any]]:
    """Every node of a query's plan, as EXPLAIN (FORMAT JSON) describes it."""
    cursor.execute(f"EXPLAIN (FORMAT JSON) {query}", parameters or None)
    [([explained],)] = cursor.fetchall()
    nodes, todo = [], [explained["Plan"]]
    while todo:
        node = todo.pop()
        nodes.append(node)
        todo += node.get("Plans", [])
    return nodes


def expect_rows(lab: Lab, database: Database, view: str, truth: str, **parameters: object) -> None:
    """Compare a learner's view with the rows of a query, in any order, by the query's columns."""
    with lab.looking(database) as cursor:
        expect_object(cursor, database, view)
        _compare(cursor, view, truth, **parameters)


def expect_view(
    lab: Lab, database: Database, view: str, truth: str, move: str, **parameters: object
) -> None:
    """As expect_rows; then change the data by the statement `move`, compare again, and roll back.

    A view that holds copied values does not move with the data. The parameters are those of the
    truth and of the move.
    """
    with lab.looking(database) as cursor:
        expect_object(cursor, database, view)
        before = _compare(cursor, view, truth, **parameters)
        cursor.execute(move, parameters or None)
        try:
            after = _compare(cursor, view, truth, **parameters)
        except NotYet as wrong:
            raise NotYet(f"{view} does not follow when the data changes.") from wrong
        assert before != after, f"{move} changes nothing"


def _compare(cursor: Cursor, view: str, truth: str, **parameters: object) -> Counter[Row]:
    expected = _counted(rows(cursor, truth, **parameters))
    columns = ", ".join(f'"{column.name}"' for column in cursor.description or ())
    try:
        found = _counted(rows(cursor, f"SELECT {columns} FROM {view}"))  # noqa: S608 - our names
    except errors.UndefinedColumn as error:
        raise NotYet(f"{view} has not the columns {columns}.") from error
    expect(found == expected, f"The rows of {view} are not what the database holds now.")
    return expected


def _counted(values: list[Row]) -> Counter[Row]:
    """Rows in no order; arrays and JSON by their text, which can be counted."""
    return Counter(
        tuple(repr(value) if isinstance(value, list | dict) else value for value in row)
        for row in values
    )

"""Solutions of the exercises of course page 1."""

from collections.abc import Callable

from tests.integration.lab.solutions.learner import Learner, Solution, Solutions, sql

SESSIONS = """SELECT usename AS login, count(*) AS sessions FROM pg_stat_activity
              WHERE usename IS NOT NULL GROUP BY usename"""
BEATS = "CREATE TABLE lab.beats (at timestamptz DEFAULT clock_timestamp())"
A_BEAT = "INSERT INTO lab.beats DEFAULT VALUES"
OUTAGE = """CREATE VIEW lab.outage AS
            SELECT max(gap) AS away
            FROM (SELECT at - lag(at) OVER (ORDER BY at) AS gap FROM lab.beats) AS gaps"""


def write_a_row(learner: Learner) -> None:
    """The row that is to survive."""
    learner.sql(
        "pipeline_db",
        "CREATE TABLE lab.survivors (written timestamptz DEFAULT now())",
        "INSERT INTO lab.survivors DEFAULT VALUES",
    )


def kill(learner: Learner) -> None:
    """kill -9, then wait as `make status` tells to."""
    learner.kill("my_postgres")


def restart(learner: Learner) -> None:
    """Stop the server gracefully and start it."""
    learner.stack.restart("my_postgres")


def one_after_another(*acts: Callable[[Learner], None]) -> Solution:
    """Several acts."""

    def act(learner: Learner) -> None:
        for one in acts:
            one(learner)

    return act


def beat(view: str, *, before: int = 5, after: int = 5, restarted: bool = True) -> Solution:
    """Rows before and after a restart, and a view."""

    def act(learner: Learner) -> None:
        learner.sql("timeseries_db", BEATS, *[A_BEAT] * before)
        if restarted:
            learner.stack.restart("my_timescaledb")
        learner.sql("timeseries_db", *[A_BEAT] * after, view)

    return act


SOLUTIONS = {
    "sessions": Solutions(
        sql("pipeline_db", f"CREATE VIEW lab.sessions AS {SESSIONS}"),
        {
            "a copy": (
                sql("pipeline_db", f"CREATE TABLE lab.sessions AS {SESSIONS}"),
                "are not what the database holds",
            ),
            "the server's own": (
                sql(
                    "pipeline_db",
                    """CREATE VIEW lab.sessions AS SELECT usename AS login, count(*) AS sessions
                   FROM pg_stat_activity GROUP BY usename""",
                ),
                "are not what the database holds",
            ),
        },
    ),
    "crash": Solutions(
        one_after_another(write_a_row, kill),
        {
            "restarted in good order": (
                one_after_another(write_a_row, restart),
                "shut down cleanly",
            ),
            "written afterwards": (write_a_row, "no row from before"),
        },
    ),
    "outage": Solutions(
        beat(OUTAGE),
        {
            "no restart": (beat(OUTAGE, restarted=False), "the server did not start"),
            "too few": (beat(OUTAGE, before=2, after=2, restarted=False), "needs at least 10"),
            "the whole time": (
                beat("CREATE VIEW lab.outage AS SELECT max(at) - min(at) AS away FROM lab.beats"),
                "are not what the database holds",
            ),
        },
    ),
}

"""Exercises of course page 1: services."""

from contextlib import closing

from lab.exercises.exercise import (
    Exercise,
    Lab,
    expect,
    expect_object,
    expect_rows,
    expect_view,
    rows,
)
from pipeline_common.console import counted
from pipeline_common.database import connect
from pipeline_common.sql_files import read_sql

PAGE = "1-services"

SESSIONS = read_sql("lab/sessions")
# A server that was not shut down cleanly forgets its statistics when it recovers.
RECOVERED = "SELECT stats_reset > pg_postmaster_start_time() FROM pg_stat_bgwriter"
SURVIVORS = "SELECT count(*) FROM lab.survivors WHERE written < pg_postmaster_start_time()"
BEATS = "SELECT count(*) FROM lab.beats"
LONGEST_GAP = read_sql("lab/longest_gap")
AROUND_THE_START = read_sql("lab/gap_around_the_start")
FEWEST_BEATS = 10


def grade_sessions(lab: Lab) -> None:
    """The view counts the sessions of each login, also when there is one more."""
    expect_rows(lab, "pipeline_db", "lab.sessions", SESSIONS)
    reader = lab.settings.reader(lab.settings.postgres)
    with closing(connect(reader, "one more")):
        expect_rows(lab, "pipeline_db", "lab.sessions", SESSIONS)


def grade_crash(lab: Lab) -> None:
    """The server was killed, recovered, and has what was committed before."""
    with lab.looking("pipeline_db") as cursor:
        expect_object(cursor, "pipeline_db", "lab.survivors")
        older = rows(cursor, SURVIVORS)
        recovered = rows(cursor, RECOVERED)
    expect(older > [(0,)], "lab.survivors has no row from before the server's last start.")
    expect(recovered == [(True,)], "Before its last start the server was shut down cleanly.")


def grade_outage(lab: Lab) -> None:
    """The longest time between two beats is the one in which the server was started."""
    with lab.looking("timeseries_db") as cursor:
        expect_object(cursor, "timeseries_db", "lab.beats")
        beats = rows(cursor, BEATS)[0][0]
        found = f"lab.beats has {counted(beats, 'row')}; it needs at least {FEWEST_BEATS}."
        expect(beats >= FEWEST_BEATS, found)
        longest, around = rows(cursor, LONGEST_GAP), rows(cursor, AROUND_THE_START)
    expect(
        longest == around,
        "In the longest time between two beats the server did not start: its restart may be "
        "shorter than the time from beat to beat.",
    )
    later = "INSERT INTO lab.beats (at) SELECT max(at) + INTERVAL '1 day' FROM lab.beats"
    expect_view(lab, "timeseries_db", "lab.outage", LONGEST_GAP, later)


EXERCISES = [
    Exercise(
        "sessions",
        PAGE,
        "see",
        "Make the view `lab.sessions` in `pipeline_db` with the columns `login` and `sessions`: "
        "how many sessions each login has on `my_postgres` now.",
        "You see which parts of the stack are connected, and that each has a login of its own.",
        (
            "A server knows its sessions: one row of pg_stat_activity is one process of it.",
            "The column usename is the login; the server's own processes have none.",
            "SELECT usename AS login, count(*) AS sessions FROM pg_stat_activity WHERE usename IS "
            "NOT NULL GROUP BY usename",
        ),
        grade_sessions,
    ),
    Exercise(
        "crash",
        PAGE,
        "break",
        "Make the table `lab.survivors` with one column, `written timestamptz DEFAULT now()`, in "
        "`pipeline_db`, and insert a row. Then kill `my_postgres` with `kill -9`, and wait until "
        "it is healthy again.",
        "A committed row survives a crash: the server recovers it from its write-ahead log.",
        (
            "First commit the row, then kill the server's process; it is restarted automatically.",
            "make restart shuts the server down cleanly, which is no crash; kill -9 does not.",
            "INSERT INTO lab.survivors DEFAULT VALUES; then kill -9 $(make -s status | awk "
            "'/my_postgres/ {print $10}'), or with Docker sudo kill -9 $(docker inspect -f "
            "'{{.State.Pid}}' my_postgres); then make status until it is healthy.",
        ),
        grade_crash,
    ),
    Exercise(
        "outage",
        PAGE,
        "measure",
        "How long is `my_timescaledb` down when it is restarted? Make the table `lab.beats (at "
        "timestamptz DEFAULT clock_timestamp())` in `timeseries_db`. While a loop inserts a row "
        "every tenth of a second, restart the service; there must be at least ten rows. Then make "
        "the view `lab.outage` with the column `away`: the longest interval between two beats.",
        "An outage is measured by what could not be done in that time, not by when a process ran.",
        (
            "Let a loop in one terminal insert the rows, and restart the service in another one. "
            "Rows that are a second apart cannot show an outage of half a second.",
            "The window function lag(at) OVER (ORDER BY at) gives the beat before each beat.",
            'while sleep 0.1; do psql ... -c "INSERT INTO lab.beats DEFAULT VALUES"; done; '
            "meanwhile make restart SERVICE=my_timescaledb; CREATE VIEW lab.outage AS SELECT "
            "max(gap) AS away FROM (SELECT at - lag(at) OVER (ORDER BY at) AS gap FROM lab.beats) "
            "AS gaps",
        ),
        grade_outage,
    ),
]

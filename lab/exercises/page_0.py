"""Exercises of course page 0: set-up."""

import psycopg2

from lab.exercises.exercise import (
    Database,
    Exercise,
    Lab,
    NotYet,
    expect,
    expect_object,
    expect_view,
    rows,
)
from pipeline_common.console import counted
from pipeline_common.settings import Settings
from pipeline_common.sql_files import read_sql

PAGE = "0-set-up"

COUNTS = read_sql("lab/counts")
ONE_CLEAN_ROW_MORE = read_sql("lab/one_clean_row_more")
SIZES = read_sql("lab/sizes")
A_LARGER_TABLE = read_sql("lab/a_larger_table")
WRITTEN_BEFORE_THE_START = read_sql("lab/notes_before_the_start")
DATABASES: list[Database] = ["pipeline_db", "timeseries_db"]


def grade_counts(lab: Lab) -> None:
    """The view counts the rows that the tables hold."""
    expect_view(lab, "pipeline_db", "lab.counts", COUNTS, ONE_CLEAN_ROW_MORE)


def grade_port(lab: Lab) -> None:
    """TimescaleDB answers at another port than that of a fresh clone, with its data."""
    port = lab.settings.timescale_port
    usual = Settings.model_fields["timescale_port"].default
    expect(port != usual, f"The setting TIMESCALE_PORT is still {port}.")
    samples = "SELECT count(*) FROM sensor_readings WHERE topic IS NULL"
    try:
        with lab.looking("timeseries_db") as cursor:
            found = rows(cursor, samples)
    except psycopg2.OperationalError as error:
        raise NotYet(f"Nothing answers at port {port}.") from error
    expect(found > [(0,)], f"The database at port {port} has none of the sample readings.")


def grade_survives(lab: Lab) -> None:
    """Both servers were started after a row was written, and still have it."""
    for database in DATABASES:
        with lab.looking(database) as cursor:
            expect_object(cursor, database, "lab.notes")
            [(notes, older)] = rows(cursor, WRITTEN_BEFORE_THE_START)
        expect(
            older,
            f"{database}: lab.notes has {counted(notes, 'row')}, none older than the server's last "
            "start.",
        )


def grade_sizes(lab: Lab) -> None:
    """The view tells how large each table is now, with its indexes."""
    expect_view(lab, "pipeline_db", "lab.sizes", SIZES, A_LARGER_TABLE)


EXERCISES = [
    Exercise(
        "counts",
        PAGE,
        "see",
        "Make the view `lab.counts` in `pipeline_db`: one row with the columns `raw`, `clean` and "
        "`quarantined`, which say how many rows `raw_products`, `clean_products` and "
        "`quarantine_products` hold.",
        "You can log in, and a view is a stored query, not a copy of its result.",
        (
            "Log in as pipeline_user, which may create views in the schema lab.",
            "A query may be a column: SELECT (SELECT count(*) FROM raw_products) AS raw, ...",
            "DROP VIEW IF EXISTS lab.counts; CREATE VIEW lab.counts AS SELECT (SELECT count(*) "
            "FROM raw_products) AS raw, and the same for the two other tables; numbers that you "
            "type in do not follow the data.",
        ),
        grade_counts,
    ),
    Exercise(
        "port",
        PAGE,
        "change",
        "Move `my_timescaledb` to another port, and check while it is there. Then move it back, so "
        "that the addresses on the pages work for you again.",
        "Services and scripts read the same settings, and the data does not depend on the port.",
        (
            "Every port is a setting in .env; services read it when they start.",
            "The line is TIMESCALE_PORT=5433. After a change: make down up.",
            "sed -i.bak 's/^TIMESCALE_PORT=.*/TIMESCALE_PORT=5533/' .env, then make down up, then "
            "check; mv .env.bak .env and make down up bring it back.",
        ),
        grade_port,
    ),
    Exercise(
        "survives",
        PAGE,
        "break",
        "Make the table `lab.notes` with one column, `written timestamptz DEFAULT now()`, in both "
        "databases, and insert a row into each. Then stop the whole stack and start it again.",
        "What was committed is on disk: stopping the services deletes nothing.",
        (
            "Write a row into both databases first; the servers have to be started after that.",
            "INSERT INTO lab.notes DEFAULT VALUES writes a row with the present time.",
            "CREATE TABLE lab.notes (written timestamptz DEFAULT now()); INSERT INTO lab.notes "
            "DEFAULT VALUES; in each database, then make down up. make reset would delete it.",
        ),
        grade_survives,
    ),
    Exercise(
        "sizes",
        PAGE,
        "measure",
        "Make the view `lab.sizes` in `pipeline_db` with the columns `table_name` and `bytes`: how "
        "large each table of the schema `public` is now, its indexes included.",
        "PostgreSQL knows how much disk space each table takes, and the indexes are part of it.",
        (
            "The catalog pg_class has a row for each table; a function tells its size.",
            "pg_relation_size is the table alone; pg_total_relation_size adds its indexes.",
            "SELECT relname AS table_name, pg_total_relation_size(oid) AS bytes FROM pg_class "
            "WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'",
        ),
        grade_sizes,
    ),
]

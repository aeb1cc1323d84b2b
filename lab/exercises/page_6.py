"""Exercises of course page 6: operations."""

from lab.exercises.exercise import Exercise, Lab, expect, plan_of, rows
from lab.exercises.facts import by_facts
from lab.exercises.page_3_graders import POSITIONS, ends, per_partition
from pipeline_common.console import counted
from pipeline_common.sql_files import read_sql

PAGE = "6-operations"
ENOUGH_ROWS = 1000  # of the clean zone; below that PostgreSQL may do without an index

#: The session that held the lock was ended by another one, and its change is gone.
grade_forgotten_lock = by_facts(
    "pipeline_db",
    "forgotten_lock",
    "The forgotten session was never started, or it is still there.",
    "The session is gone, but no other session has ended it.",
    "What the session did was committed: no product is in stock.",
    learners_table="lab.forgotten_session",
)

#: The role reads the clean zone and can do nothing else.
grade_analyst = by_facts(
    "pipeline_db",
    "analyst",
    "There is no role analyst, or it cannot log in to pipeline_db.",
    "analyst may not read clean_products.",
    "analyst may do more than to read clean_products.",
)


def grade_dearest(lab: Lab) -> None:
    """The plan reads ten rows from an index and neither filters nor sorts."""
    query = read_sql("lab/dearest_of_category")
    with lab.looking("pipeline_db") as cursor:
        [(count,)] = rows(cursor, "SELECT count(*) FROM clean_products")
        nodes = plan_of(cursor, query)
    found = f"The clean zone has {counted(count, 'row')}: fewer than {ENOUGH_ROWS:,}."
    expect(count >= ENOUGH_ROWS, found)
    types = [node["Node Type"] for node in nodes]
    expect("Seq Scan" not in types, "PostgreSQL reads the whole table: Seq Scan.")
    expect(
        not any("Sort" in node["Node Type"] or "Filter" in node for node in nodes),
        f"PostgreSQL reads more than ten rows, then filters or sorts them: {' of '.join(types)}.",
    )


#: The clean zone was emptied, and holds again what it should.
grade_clean_zone_lost = by_facts(
    "pipeline_db",
    "clean_zone_lost",
    "clean_products was never truncated.",
    "A validated row is in no zone, or the clean zone has no row of a run.",
    "The three examples, of which there is no raw row, are not in the clean zone.",
)

#: By the server's clock the quicker way loads half as many rows again, of the same rows.
grade_throughput = by_facts(
    "pipeline_db",
    "throughput",
    "lab.my_loads does not hold the same 3,000 lines or more under two ways.",
    "loaded_at stands still: all rows of a way have the same time, or nearly all.",
    "The quicker way loads less than 1.5 times as many rows a second as the slower one.",
    learners_table="lab.my_loads",
)


def grade_restored(lab: Lab) -> None:
    """timeseries_db was restored, and the validator has fetched the rest from Kafka."""
    grade_database = by_facts(
        "timeseries_db",
        "restored",
        "my_timescaledb was never restored: it is on its first timeline.",
        "Since my_timescaledb was started, no record has been stored.",
        "The stream's ledger does not add up: a record is missing.",
        topic=lab.topic,
    )
    grade_database(lab)
    with lab.looking("timeseries_db") as cursor:
        read = per_partition(rows(cursor, POSITIONS, topic=lab.topic))
    expect(ends(lab).items() <= read.items(), "Kafka has records that were not read yet.")


EXERCISES = [
    Exercise(
        "forgotten_lock",
        PAGE,
        "break",
        "After a run, somebody forgets a session that has changed the clean zone: start it in the "
        "background with `psql postgresql://pipeline_user:pipeline_pass@localhost:5432/pipeline_db "
        "-f sql/lab/forgotten_session.sql &`. Re-validate the run's batch: it waits. Find out what "
        "holds the lock, and end that session from another one, so that its change is rolled back.",
        "pg_blocking_pids says who holds up a session; pg_terminate_backend ends that one, which "
        "rolls back its transaction and releases its locks.",
        (
            "pg_stat_activity lists the sessions, and wait_event_type = 'Lock' those that wait.",
            "Killing psql is not enough: the server's side sleeps on and keeps the lock. "
            "Cancelling ends a statement, not a session.",
            "SELECT pid, query, pg_blocking_pids(pid) FROM pg_stat_activity shows who waits for "
            "whom; SELECT pg_terminate_backend(PID) ends that session.",
        ),
        grade_forgotten_lock,
    ),
    Exercise(
        "analyst",
        PAGE,
        "change",
        "Make a login `analyst` that can read `clean_products`, and can do nothing else. (Log in "
        "as `pipeline_admin`.)",
        "Least privilege: each login may do what its work needs, and no more.",
        (
            "CREATE ROLE makes a login, GRANT gives it rights.",
            "On this database not every login may connect; pipeline_reader reads more than this.",
            "CREATE ROLE analyst LOGIN PASSWORD '...'; GRANT CONNECT ON DATABASE pipeline_db TO "
            "analyst; GRANT SELECT ON clean_products TO analyst",
        ),
        grade_analyst,
    ),
    Exercise(
        "dearest",
        PAGE,
        "measure",
        "Make a run with `products_per_vendor=700`, and measure `sql/lab/dearest_of_category.sql` "
        "with EXPLAIN ANALYZE. Then make an index with which it reads ten rows and no more. (Log "
        "in as `pipeline_admin`.)",
        "An index holds rows in an order: with the right columns nothing is filtered or sorted.",
        (
            "EXPLAIN (ANALYZE, BUFFERS) shows how many rows and pages each step reads.",
            "What is compared with = comes first in the index, what is sorted by comes next.",
            "CREATE INDEX ON clean_products (category, price DESC); ANALYZE clean_products",
        ),
        grade_dearest,
    ),
    Exercise(
        "clean_zone_lost",
        PAGE,
        "break",
        "After a run, empty the clean zone: `TRUNCATE clean_products`, as `pipeline_admin`. Bring "
        "all of it back without a backup, with the three examples of a first start.",
        "What can be computed from the raw zone need not be backed up; what cannot, must be.",
        (
            "The raw zone still holds every record that was received.",
            "Re-validating all batches loads their rows again. Three rows were never received.",
            "python batch_pipeline/reprocess.py --all; the examples come from "
            "sql/init_postgres.sql: take their INSERT from it, or run the file once more as "
            "pipeline_admin (psql … -f), which changes nothing else.",
        ),
        grade_clean_zone_lost,
    ),
    Exercise(
        "throughput",
        PAGE,
        "measure",
        "Raise throughput by 50 %, and prove it. Make the table `lab.my_loads (way text, line "
        "text, loaded_at timestamptz DEFAULT clock_timestamp())`. Load the 3,000 lines of "
        "`scraper.py --count 1000` row by row, each in its own transaction, then once more in a "
        "way that loads at least 1.5 times as many per second. `way` names the way; the server's "
        "clock is the proof.",
        "A transaction and a round trip cost more than a row: throughput rises if each of them "
        "carries many rows.",
        (
            "Load the same lines in both ways, and leave loaded_at to its default.",
            "now() is when the transaction began; clock_timestamp() is the time of the call.",
            "connection.autocommit = True and an INSERT for each line; then one INSERT ... SELECT "
            "'at once', unnest(%s) with the list of lines, or COPY.",
        ),
        grade_throughput,
    ),
    Exercise(
        "restored",
        PAGE,
        "break",
        "Take a backup of both databases ([backup and restore](../backup.md)), and note the time. "
        "Send 1,000 readings, and let a validator store them. Then put `my_timescaledb` back to "
        "that time, and let the stream catch up.",
        "Rows and offsets are in one database, so both go back to one moment, and Kafka has the "
        "rest: nothing is lost, and nothing is stored twice.",
        (
            "make backup comes first: before it, nothing is kept that could be restored.",
            "make restore puts the database back; what came after that time is still in Kafka.",
            "make backup, then make restore TIME=2026-11-27T10:50:00Z SERVICE=my_timescaledb with "
            "the time that you noted, then python streaming_pipeline/stream_validator.py "
            "--exit-when-idle 2.",
        ),
        grade_restored,
    ),
]

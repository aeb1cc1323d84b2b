"""Page 6 solved, and solved wrong."""

import subprocess
import time
from contextlib import closing

import psycopg2

from batch_pipeline import scraper
from pipeline_common.settings import PROJECT_FOLDER
from tests.integration.lab.solutions.batch_learner import VENDORS, BatchLearner, Solutions

SECONDS = 120

# --- forgotten_lock -------------------------------------------------------------------------------

#: Has the lock and sleeps: before it sleeps, a killed client is noticed by the server.
HOLDS = """
    SELECT pid FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE relation = 'clean_products'::regclass AND mode = 'RowExclusiveLock'
      AND wait_event = 'PgSleep'"""


def forgotten_session(learner: BatchLearner) -> tuple["subprocess.Popen[bytes]", int]:
    """Start sql/lab/forgotten_session.sql by psql: its process, and its session with the lock."""
    learner.run(1)
    url = "postgresql://{user}:{password}@{host}:{port}/{dbname}".format(**learner.login)
    process = subprocess.Popen(
        ["psql", "-X", "-q", "-f", str(PROJECT_FOLDER / "sql/lab/forgotten_session.sql"), url],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + SECONDS
    while not (held := learner.rows(HOLDS)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process, held[0][0]


def end(learner: BatchLearner, pid: int) -> None:
    learner.execute("SELECT pg_terminate_backend(%s, 60000)", pid)


def session_ended(learner: BatchLearner) -> None:
    process, pid = forgotten_session(learner)
    end(learner, pid)
    process.wait(SECONDS)


def not_begun(_learner: BatchLearner) -> None:
    """The table that the exercise is about was never made."""


def session_left_alone(learner: BatchLearner) -> None:
    process, _ = forgotten_session(learner)
    learner.processes.append(process)


def client_killed(learner: BatchLearner) -> None:
    """The server's side sleeps on: it would find out only when it next says something."""
    process, _ = forgotten_session(learner)
    process.kill()
    process.wait()


def statement_cancelled(learner: BatchLearner) -> None:
    process, pid = forgotten_session(learner)
    cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = %s"
    deadline = time.monotonic() + SECONDS
    while learner.rows(cancel, pid):  # until the server's side is gone, too
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.wait(SECONDS)


def stock_left_at_zero(learner: BatchLearner) -> None:
    session_ended(learner)
    learner.execute("UPDATE clean_products SET stock = 0")


def another_session_ended(learner: BatchLearner) -> None:
    process, _ = forgotten_session(learner)
    learner.processes.append(process)
    with closing(psycopg2.connect(**learner.login)) as other:
        end(learner, other.info.backend_pid)


# --- analyst --------------------------------------------------------------------------------------

MAY_CONNECT = "GRANT CONNECT ON DATABASE {database} TO analyst"
READS = "GRANT SELECT ON clean_products TO analyst"


def analyst(learner: BatchLearner, *statements: str) -> None:
    """Make the role, and grant. As on the real database, not every login may connect."""
    name = str(learner.login["dbname"])
    learner.execute_as_admin(f"GRANT CONNECT ON DATABASE {name} TO pipeline_writer")
    learner.execute_as_admin(f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC")
    learner.execute_as_admin("CREATE ROLE analyst LOGIN PASSWORD 'analyst_pass'")
    for statement in statements:
        learner.execute_as_admin(statement.format(database=name))


def reads_the_clean_zone(learner: BatchLearner) -> None:
    analyst(learner, MAY_CONNECT, READS)


def may_not_connect(learner: BatchLearner) -> None:
    analyst(learner, READS)


def may_connect_only(learner: BatchLearner) -> None:
    analyst(learner, MAY_CONNECT)


def reads_all(learner: BatchLearner) -> None:
    analyst(learner, MAY_CONNECT, "GRANT pipeline_reader TO analyst")


def no_login(learner: BatchLearner) -> None:
    analyst(learner, MAY_CONNECT, READS, "ALTER ROLE analyst NOLOGIN")


def makes_roles(learner: BatchLearner) -> None:
    analyst(learner, MAY_CONNECT, READS, "ALTER ROLE analyst CREATEROLE")


def becomes_another(learner: BatchLearner) -> None:
    """It has no right of the other role, but SET ROLE gives it all of them."""
    analyst(learner, MAY_CONNECT, READS, "ALTER ROLE analyst NOINHERIT")
    learner.execute_as_admin("GRANT pipeline_reader TO analyst")


def writes_too(learner: BatchLearner) -> None:
    analyst(learner, MAY_CONNECT, "GRANT ALL ON clean_products TO analyst")


# --- dearest --------------------------------------------------------------------------------------


def index(learner: BatchLearner, columns: str = "category, price DESC", count: int = 700) -> None:
    learner.run(1, count=count)
    learner.execute_as_admin(f"CREATE INDEX ON clean_products ({columns})")
    learner.execute_as_admin("ANALYZE clean_products")


def index_on_few_rows(learner: BatchLearner) -> None:
    index(learner, count=15)


def index_of_name(learner: BatchLearner) -> None:
    index(learner, "name")


def index_of_category(learner: BatchLearner) -> None:
    index(learner, "category")


def index_of_price(learner: BatchLearner) -> None:
    index(learner, "price")


# --- clean_zone_lost ------------------------------------------------------------------------------

EXAMPLES = """
    INSERT INTO clean_products
        (product_id, name, price, stock, source, batch_id, ingestion_time, rule_version)
    SELECT 'EXAMPLE-00' || n, 'Example', 10, 1, 'sample_vendor', 'example', now(), 1
    FROM generate_series(1, 3) AS n"""


def lost(learner: BatchLearner) -> None:
    learner.run(1)
    learner.run(2)
    learner.execute_as_admin("TRUNCATE clean_products")


def lost_and_found(learner: BatchLearner) -> None:
    lost(learner)
    learner.reprocess_all()
    learner.execute(EXAMPLES)


def never_lost(learner: BatchLearner) -> None:
    learner.run(1)
    learner.reprocess_all()


def lost_and_one_batch_found(learner: BatchLearner) -> None:
    lost(learner)
    learner.validate_and_load("manual__1")
    learner.execute(EXAMPLES)


def lost_without_the_examples(learner: BatchLearner) -> None:
    lost(learner)
    learner.reprocess_all()


# --- throughput -----------------------------------------------------------------------------------

LOADS = """CREATE TABLE lab.my_loads
    (way text, line text, loaded_at timestamptz DEFAULT {clock})"""


SAME_LINES = """
    INSERT INTO lab.my_loads (way, line)
    SELECT '{way}', line::text FROM generate_series(1, {rows}) AS line"""


def load(learner: BatchLearner) -> None:
    """Row by row, each in a transaction of its own; then all in one statement."""
    learner.execute(LOADS.format(clock="clock_timestamp()"))
    lines = [line for vendor in VENDORS for line in scraper.scrape(vendor, 1000, 1)]
    insert = "INSERT INTO lab.my_loads (way, line) VALUES ('row by row', %s)"
    at_once = "INSERT INTO lab.my_loads (way, line) SELECT 'at once', unnest(%s)"
    with closing(psycopg2.connect(**learner.login)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for line in lines:
            cursor.execute(insert, [line])
        cursor.execute(at_once, [lines])


def same_lines(learner: BatchLearner, clock: str, fewer: int = 3000) -> None:
    learner.execute(LOADS.format(clock=clock))
    learner.execute(SAME_LINES.format(way="a", rows=3000))
    learner.execute(SAME_LINES.format(way="b", rows=fewer))


def as_quick_as_before(learner: BatchLearner) -> None:
    learner.execute(LOADS.format(clock="clock_timestamp()"))
    learner.execute(
        """INSERT INTO lab.my_loads SELECT way, line::text, now() + line * '1 ms'::interval
           FROM unnest('{a, b}'::text[]) AS way, generate_series(1, 3000) AS line"""
    )


def one_way_only(learner: BatchLearner) -> None:
    same_lines(learner, "clock_timestamp()", fewer=0)


def few_lines(learner: BatchLearner) -> None:
    same_lines(learner, "clock_timestamp()")
    learner.execute("DELETE FROM lab.my_loads WHERE line::integer > 1500")


def other_lines(learner: BatchLearner) -> None:
    same_lines(learner, "clock_timestamp()")
    learner.execute("UPDATE lab.my_loads SET line = line || 'b' WHERE way = 'b'")


def clock_that_stands_still(learner: BatchLearner) -> None:
    """now() is when the transaction began."""
    same_lines(learner, "now()")


SOLUTIONS = {
    "forgotten_lock": Solutions(
        session_ended,
        {
            not_begun: "pipeline_db has no table or view lab.forgotten_session",
            session_left_alone: "still there",
            client_killed: "still there",
            another_session_ended: "still there",
            statement_cancelled: "no other session has ended it",
            stock_left_at_zero: "no product is in stock",
        },
    ),
    "analyst": Solutions(
        reads_the_clean_zone,
        {
            no_login: "cannot log in",
            may_not_connect: "cannot log in",
            may_connect_only: "may not read",
            reads_all: "may do more",
            becomes_another: "may do more",
            makes_roles: "may do more",
            writes_too: "may do more",
        },
    ),
    "dearest": Solutions(
        index,
        {
            index_on_few_rows: "fewer than 1,000",
            index_of_name: "Seq Scan",
            index_of_category: "filters or sorts",
            index_of_price: "filters or sorts",
        },
    ),
    "clean_zone_lost": Solutions(
        lost_and_found,
        {
            never_lost: "never truncated",
            lost_and_one_batch_found: "in no zone",
            lost_without_the_examples: "three examples",
        },
    ),
    "throughput": Solutions(
        load,
        {
            not_begun: "pipeline_db has no table or view lab.my_loads",
            one_way_only: "the same 3,000 lines",
            few_lines: "the same 3,000 lines",
            other_lines: "the same 3,000 lines",
            clock_that_stands_still: "stands still",
            as_quick_as_before: "less than 1.5 times",
        },
    ),
}

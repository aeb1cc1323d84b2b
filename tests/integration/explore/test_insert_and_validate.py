"""insert_and_validate takes products through the zones: what it shows is what is in the tables."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from typing import Any

import psycopg2

from pipeline_common.settings import PROJECT_FOLDER
from python_scripts.insert_and_validate import EXAMPLES
from tests.databases import as_admin
from tests.integration.explore.conftest import Script

COMMAND = [sys.executable, str(PROJECT_FOLDER / "python_scripts/insert_and_validate.py")]
CHAIR = '{"product_id": "T-1", "name": " Chair ", "price": "$1,299.00", "stock": "3"}'


def stored(login: dict[str, Any], query: str) -> list[tuple[Any, ...]]:
    """Rows of the database, as they are after the script."""
    with closing(psycopg2.connect(**login)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def test_each_zone_is_shown_as_it_is(
    as_json: Callable[..., Any], pipeline_db: dict[str, Any]
) -> None:
    """Raw text is kept, values are put in standard form, and every row is accounted for."""
    shown = as_json("insert_and_validate", CHAIR, "rubbish")
    assert [row["raw_text"] for row in shown["raw"]] == [CHAIR, "rubbish"]
    assert [(row["name"], row["price"]) for row in shown["clean"]] == [("Chair", "1299.00")]
    assert [row["issues"] for row in shown["quarantine"]] == [["not_json"]]
    assert shown["ledger"] == [{"raw": 2, "clean": 1, "superseded": 0, "quarantined": 1}]

    raw = "SELECT raw_text FROM raw_products WHERE processed ORDER BY id"
    assert stored(pipeline_db, raw) == [(CHAIR,), ("rubbish",)]
    clean = "SELECT name, price, stock FROM clean_products WHERE product_id = 'T-1'"
    assert stored(pipeline_db, clean) == [("Chair", Decimal("1299.00"), 3)]
    quarantine = "SELECT raw_text, issues FROM quarantine_products"
    assert stored(pipeline_db, quarantine) == [("rubbish", ["not_json"])]


def test_the_same_product_again_supersedes_the_row_before(
    as_json: Callable[..., Any], pipeline_db: dict[str, Any]
) -> None:
    """One row in the clean zone, the newest."""
    as_json("insert_and_validate", CHAIR)
    as_json("insert_and_validate", CHAIR.replace("1,299", "999"))
    clean = "SELECT price FROM clean_products WHERE product_id = 'T-1'"
    assert stored(pipeline_db, clean) == [(Decimal("999.00"),)]
    superseded = "SELECT price FROM superseded_products"
    assert stored(pipeline_db, superseded) == [(Decimal("1299.00"),)]


def test_tables_of_another_version_are_a_sentence(
    script: Script, pipeline_db: dict[str, Any]
) -> None:
    with closing(psycopg2.connect(**as_admin(pipeline_db))) as connection, connection:
        connection.cursor().execute("ALTER TABLE raw_products RENAME COLUMN raw_text TO old_text")
    done = script("insert_and_validate", CHAIR)
    assert done.returncode == 1
    assert "raw_text" in done.stderr
    assert "not those of this version" in done.stderr
    assert "make up" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_the_rules_pass_and_the_table_refuses_is_a_sentence(
    script: Script, pipeline_db: dict[str, Any]
) -> None:
    """As after a learner's broken rule; nothing of the attempt is left."""
    with closing(psycopg2.connect(**as_admin(pipeline_db))) as connection, connection:
        connection.cursor().execute(
            "ALTER TABLE clean_products ADD CONSTRAINT stricter CHECK (stock < 3) NOT VALID"
        )
    done = script("insert_and_validate", CHAIR)
    assert (done.returncode, done.stdout) == (1, "")
    assert "The table rejects a row that the rules accept" in done.stderr
    assert '"stricter"' in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert unfinished(pipeline_db) == []
    assert stored(pipeline_db, "SELECT FROM raw_products WHERE batch_id LIKE 'by_hand%'") == []


def test_without_products_the_examples_show_each_verdict(script: Script) -> None:
    """In a pipe: five plain tables, numbered, none wider than 100 characters."""
    done = script("insert_and_validate")
    assert done.returncode == 0, done.stderr
    for number in range(1, 6):
        assert f"\n{number}. " in done.stdout
    for issue in ("name_missing", "duplicate_in_batch", "not_json"):
        assert issue in done.stdout
    assert f"| {len(EXAMPLES):3} |     2 |          0 |           3 |" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_products_are_read_from_a_pipe(script: Script) -> None:
    """One a line; and nothing at all is a sentence, not a traceback."""
    assert "not_json" in script("insert_and_validate", "-", given="rubbish\n").stdout
    empty = script("insert_and_validate", "-")
    assert (empty.returncode, empty.stderr.count("\n")) == (1, 1), empty.stderr


def unfinished(login: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The script's rows that are not validated yet."""
    return stored(
        login,
        """SELECT raw_text FROM landing_products
           UNION ALL SELECT raw_text FROM raw_products
           WHERE NOT processed AND batch_id LIKE 'by_hand%'""",
    )


def test_whoever_reads_only_the_first_lines_leaves_no_row_unvalidated(
    environment: dict[str, str], pipeline_db: dict[str, Any]
) -> None:
    """As `| head -1` does; standard output is closed before anything is printed."""
    reading, writing = os.pipe()
    os.close(reading)
    subprocess.run(
        [*COMMAND, CHAIR], stdout=writing, env=os.environ | environment, timeout=120, check=False
    )
    os.close(writing)
    assert unfinished(pipeline_db) == []
    assert stored(pipeline_db, "SELECT 1 FROM clean_products WHERE product_id = 'T-1'") == [(1,)]


def test_ctrl_c_in_the_middle_leaves_no_row_unvalidated(
    environment: dict[str, str], pipeline_db: dict[str, Any]
) -> None:
    """It comes while a step waits for a lock, after the record was landed."""
    lock = "SELECT pg_advisory_lock(hashtextextended('clean_products part 0', 0))"
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with closing(psycopg2.connect(**pipeline_db)) as connection:
        with connection, connection.cursor() as cursor:
            cursor.execute(lock)
        with subprocess.Popen(
            [*COMMAND, CHAIR],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | environment,
        ) as process:
            wait_until(lambda: stored(pipeline_db, waiting) == [(1,)])
            process.send_signal(signal.SIGINT)
            connection.close()
            assert process.wait(120) != 0
    assert unfinished(pipeline_db) == []


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)

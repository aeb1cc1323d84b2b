"""insert_and_validate takes products through the zones: what it shows is what is in the tables."""

from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from typing import Any

import psycopg2

from python_scripts.insert_and_validate import EXAMPLES
from tests.explore.conftest import Script

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
    assert [row["issues"] for row in shown["quarantine"]] == ["not_json"]
    assert shown["ledger"] == [{"raw": 2, "clean": 1, "superseded": 0, "quarantined": 1}]

    raw = "SELECT raw_text FROM raw_products WHERE processed ORDER BY id"
    assert stored(pipeline_db, raw) == [(CHAIR,), ("rubbish",)]
    clean = "SELECT name, price, stock FROM clean_products WHERE product_id = 'T-1'"
    assert stored(pipeline_db, clean) == [("Chair", Decimal("1299.00"), 3)]
    quarantine = "SELECT raw_text, issues FROM quarantine_products"
    assert stored(pipeline_db, quarantine) == [("rubbish", "not_json")]


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

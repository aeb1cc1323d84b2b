"""The batch scripts as a user runs them."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection

from pipeline_common.settings import PROJECT_FOLDER
from tests.databases import as_admin
from tests.integration.batch.conftest import places, product, rows, run_batch


def script(name: str, *arguments: str, stdin: str = "", **environment: str) -> Any:
    return subprocess.run(
        [sys.executable, f"batch_pipeline/{name}.py", *arguments],
        cwd=PROJECT_FOLDER,
        env=os.environ | environment,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def login(pipeline_db: dict[str, Any]) -> dict[str, str]:
    """The fresh database as the environment's settings."""
    names = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password"}
    names["PGDATABASE"] = "dbname"
    return {name: str(pipeline_db[key]) for name, key in names.items()}


@pytest.mark.parametrize("name", ["scraper", "validator", "reprocess"])
def test_help_explains_the_script(name: str) -> None:
    done = script(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage" in done.stdout


def test_the_scraper_prints_45_records_and_the_validator_validates_them() -> None:
    scraped = script("scraper", "--seed", "7")
    assert len(scraped.stdout.splitlines()) == 45
    assert "records: 45 from tech_store, home_goods, sport_shop; seed 7" in scraped.stderr
    validated = script("validator", "-", stdin=scraped.stdout)
    assert validated.returncode == 0
    assert "45 records: " in validated.stdout


def test_the_validator_alone_shows_examples_with_their_reasons() -> None:
    done = script("validator")
    assert "1299.00" in done.stdout
    assert "price_other_currency" in done.stdout


def test_the_validator_reads_the_file_that_is_named(tmp_path: Path) -> None:
    """Its bytes, whatever they are."""
    file = tmp_path / "products.jsonl"
    file.write_bytes(product("A").encode() + b"\n\xff\n" + product("B").encode())
    done = script("validator", str(file))
    assert done.returncode == 0, done.stderr
    assert "3 records: 2 valid, 1 to quarantine" in done.stdout
    assert "not_utf8" in done.stdout
    file.write_text(product("A"))
    assert "\n1 record: 1 valid, 0 to quarantine" in script("validator", str(file)).stdout


@pytest.mark.parametrize("file", ["no/such/file", "."])
def test_a_file_that_cannot_be_read_is_wrong_usage(file: str) -> None:
    done = script("validator", file)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Cannot read" in done.stderr


def test_a_closed_standard_input_is_a_sentence() -> None:
    command = f"{sys.executable} batch_pipeline/validator.py - <&-"
    done = subprocess.run(
        command, shell=True, cwd=PROJECT_FOLDER, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Standard input is closed")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_a_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "batch_pipeline/validator.py"],
            cwd=PROJECT_FOLDER,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_an_unknown_vendor_is_one_sentence() -> None:
    done = script("scraper", "--vendor", "nobody")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("There is no vendor nobody")
    assert "Traceback" not in done.stderr


def test_reprocess_validates_one_batch_and_all_of_them(
    connection: Connection, login: dict[str, str]
) -> None:
    run_batch(connection, "run", {"vendor": [product("A")]})
    connection.commit()
    assert "Quality report of batch run" in script("reprocess", "run", **login).stdout
    done = script("reprocess", "--all", **login)
    assert done.returncode == 0
    assert places(connection, "run") == {"vendor/1": "clean"}
    assert "Quality report of batch sample" in done.stdout


def test_the_four_sample_rows_are_validated_when_one_asks_for_it(
    connection: Connection, login: dict[str, str]
) -> None:
    done = script("reprocess", "sample", **login)
    assert "4 received = 2 clean + 0 superseded by newer + 2 quarantined" in done.stdout
    assert places(connection, "sample") == {
        "sample_vendor/1": "clean",
        "sample_vendor/2": "clean",
        "sample_vendor/3": "name_missing, price_not_a_number, stock_negative",
        "sample_vendor/4": "duplicate_in_batch",
    }


def test_reprocess_says_in_one_sentence_what_is_wrong(login: dict[str, str]) -> None:
    assert script("reprocess", **login).returncode == 2
    unknown = script("reprocess", "nonsense", **login)
    assert unknown.returncode == 1
    assert "there is no such batch" in unknown.stderr
    assert "Traceback" not in unknown.stderr
    down = script("reprocess", "run", **login | {"PGPORT": "1"})
    assert down.returncode == 1
    assert "The database does not answer" in down.stderr


def test_reprocess_says_in_one_sentence_that_the_table_refuses_what_the_rules_let_pass(
    connection: Connection, login: dict[str, str], pipeline_db: dict[str, Any]
) -> None:
    run_batch(connection, "run", {"vendor": [product("A")]})
    with closing(psycopg2.connect(**as_admin(pipeline_db))) as admin, admin.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE clean_products ADD CONSTRAINT stricter CHECK (batch_id <> 'run') NOT VALID"
        )
        admin.commit()
    try:
        done = script("reprocess", "run", **login)
    finally:
        with closing(psycopg2.connect(**as_admin(pipeline_db))) as admin, admin.cursor() as cursor:
            cursor.execute("ALTER TABLE clean_products DROP CONSTRAINT stricter")
            admin.commit()
    assert done.returncode == 1
    assert "The table rejects a row that the rules accept" in done.stderr
    assert '"stricter"' in done.stderr
    assert "Traceback" not in done.stderr
    assert places(connection, "run") == {"vendor/1": "clean"}


# --- A dry run ------------------------------------------------------------------------------------


def test_a_dry_run_says_which_rows_would_move_and_moves_none(
    connection: Connection, login: dict[str, str], pipeline_db: dict[str, Any]
) -> None:
    """Including rows of another batch that return because a newer one is withdrawn."""
    run_batch(connection, "older", {"vendor": [product("A")]})
    run_batch(connection, "newer", {"vendor": [product("A"), product("B")]})
    with closing(psycopg2.connect(**as_admin(pipeline_db))) as admin:
        rows(admin, "UPDATE raw_products SET raw_text = '' WHERE id = 6 RETURNING 1")
    before = everything(connection)
    done = script("reprocess", "newer", "--dry-run", **login)
    assert done.returncode == 0, done.stderr
    for words in ("clean", "quarantine: not_json", "superseded", "Nothing was changed"):
        assert words in done.stdout
    assert everything(connection) == before


def test_a_dry_run_that_would_move_nothing_says_so(
    connection: Connection, login: dict[str, str]
) -> None:
    run_batch(connection, "run", {"vendor": [product("A")]})
    assert script("reprocess", "run", "--dry-run", **login).stdout == "No row would move.\n"


def test_a_dry_run_takes_new_rows_to_where_they_would_be(
    connection: Connection, login: dict[str, str]
) -> None:
    done = script("reprocess", "--all", "--dry-run", **login)
    assert "not validated yet" in done.stdout
    assert places_of_the_samples(connection) == []


def everything(connection: Connection) -> list[Any]:
    tables = ("raw_products", "product_verdicts", "clean_products", "superseded_products")
    queries = [f"SELECT t::text FROM {table} AS t ORDER BY 1" for table in tables]
    queries.append("SELECT raw_id, issues FROM quarantine_products ORDER BY 1")
    return [rows(connection, query) for query in queries]


def places_of_the_samples(connection: Connection) -> list[Any]:
    return rows(connection, "SELECT 1 FROM product_verdicts WHERE batch_id = 'sample'")

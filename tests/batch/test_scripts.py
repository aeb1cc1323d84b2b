"""The batch scripts as a user runs them."""

import os
import subprocess
import sys
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection

from pipeline_settings import PROJECT_FOLDER
from tests.batch.conftest import places, run_batch
from tests.batch.test_steps import product


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


def test_the_scraper_prints_45_records_and_the_validator_judges_them() -> None:
    scraped = script("scraper", "--seed", "7")
    assert len(scraped.stdout.splitlines()) == 45
    assert "45 products of 3 vendors, seed 7" in scraped.stderr
    judged = script("validator", "-", stdin=scraped.stdout)
    assert judged.returncode == 0
    assert "45 records: " in judged.stdout


def test_the_validator_alone_shows_examples_with_their_reasons() -> None:
    done = script("validator")
    assert "1299.00" in done.stdout
    assert "price_other_currency" in done.stdout


def test_an_unknown_vendor_is_one_sentence() -> None:
    done = script("scraper", "--vendor", "nobody")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("There is no vendor nobody")
    assert "Traceback" not in done.stderr


def test_reprocess_judges_one_batch_and_all_of_them(
    connection: Connection, login: dict[str, str]
) -> None:
    run_batch(connection, "run", {"vendor": [product("A")]})
    connection.commit()
    assert "Quality report of batch run" in script("reprocess", "run", **login).stdout
    done = script("reprocess", "--all", **login)
    assert done.returncode == 0
    assert places(connection, "run") == {"vendor/1": "clean"}
    assert "Quality report of batch sample" in done.stdout


def test_the_four_sample_rows_are_judged_when_one_asks_for_it(
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

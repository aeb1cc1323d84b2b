"""The explorers show what is in the databases, with and without a terminal."""

import importlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import psycopg2
import pytest

from pipeline_common.settings import PROJECT_FOLDER
from tests.integration.explore.conftest import Script


@pytest.mark.parametrize("name", ["explore_postgres", "explore_timescale"])
def test_all_sections_are_shown_in_a_pipe_without_a_prompt(script: Script, name: str) -> None:
    """Everything, as plain tables, and the end: no console waits for input."""
    done = script(name)
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii() or "°C" in done.stdout
    assert done.stdout.count("\n+--") > 10
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert "\x1b" not in done.stdout


def test_the_sample_rows_are_shown_with_what_the_rules_say(as_json: Callable[..., Any]) -> None:
    """Rows that no batch has validated yet carry the verdict in brackets."""
    shown = as_json("explore_postgres", "raw")
    assert shown["batch_zones"] == [
        {"raw": 4, "clean": 0, "superseded": 0, "quarantined": 0, "pending": 4}
    ]
    assert [row["issues"] for row in reversed(shown["raw_latest"])] == [
        "(valid)",
        "(valid)",
        "(name_missing, price_not_a_number, stock_negative)",
        "(valid)",
    ]


@pytest.mark.parametrize("more", ["1e131071", f"[{', '.join(['1e131071'] * 20_000)}]"])
def test_numbers_that_are_long_when_written_out_break_no_table(
    script: Script, more: str, pipeline_db: dict[str, Any]
) -> None:
    """180 kB would be 2.6 GB, and eight characters a cell of 131,072."""
    record = f'{{"product_id": "A", "name": "Mouse", "price": {more}, "stock": 1}}'
    assert script("insert_and_validate", "-", given=record).returncode == 0
    shown = script("explore_postgres", "raw")
    assert shown.returncode == 0, shown.stderr
    assert len(shown.stdout) < 10_000


def test_tables_are_counted_exactly(as_json: Callable[..., Any]) -> None:
    """Not estimated."""
    rows = {
        row["table"]: row["rows"] for row in as_json("explore_postgres", "tables")["batch_tables"]
    }
    assert rows["raw_products"] == 4
    assert rows["clean_products"] == 3


def test_chunks_add_up_to_the_hypertable(as_json: Callable[..., Any]) -> None:
    """Each of the 1000 sample readings is in one chunk."""
    chunks = as_json("explore_timescale", "chunks")["stream_chunks"]
    assert sum(row["rows"] for row in chunks) == 1000


def test_a_plan_says_which_chunks_were_excluded(as_json: Callable[..., Any]) -> None:
    """The condition on time leaves today's chunk out."""
    plans = as_json("explore_timescale", "plan")
    lines = [row["QUERY PLAN"] for row in plans["plan_with_exclusion"]]
    assert any("Chunks excluded" in line or "One-Time Filter: false" in line for line in lines), (
        lines
    )


def test_gaps_between_readings_are_found(
    as_json: Callable[..., Any], timeseries_db: dict[str, Any]
) -> None:
    """A sensor without readings for half an hour is reported with its silence."""
    with psycopg2.connect(**timeseries_db) as connection, connection.cursor() as cursor:
        cursor.execute(
            """DELETE FROM sensor_readings WHERE sensor_id = 'sensor_2'
               AND time BETWEEN now() - INTERVAL '60 minutes' AND now() - INTERVAL '30 minutes'"""
        )
    gaps = as_json("explore_timescale", "gaps")["sensor_gaps"]
    assert [gap["sensor_id"] for gap in gaps] == ["sensor_2"]
    assert gaps[0]["silence"].startswith("0:30:")


def test_an_unknown_section_is_wrong_usage(script: Script) -> None:
    """Exit status 2, and the sections that there are."""
    done = script("explore_postgres", "tabels")
    assert done.returncode == 2
    assert "tables" in done.stderr


def test_a_database_that_does_not_answer_is_one_sentence(
    script: Script, environment: dict[str, str]
) -> None:
    """No traceback for a stack that is down."""
    environment["PGPORT"] = "1"
    done = script("explore_postgres", "tables")
    assert done.returncode == 1
    assert "Is the stack up?" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["explore_postgres", "explore_timescale", "explore_kafka"])
def test_help_names_each_section(script: Script, name: str) -> None:
    """It lists the sections that there are."""
    module = importlib.import_module(f"python_scripts.{name}")
    printed = script(name, "--help").stdout
    assert [section for section in module.SECTIONS if section not in printed] == []


@pytest.mark.parametrize("width", [80, 120])
def test_what_is_shown_fits_the_screen(environment: dict[str, str], width: int) -> None:
    """Every line of every section, with rejected products too."""
    scripts = ("insert_and_validate", "explore_postgres", "explore_timescale")
    for script in scripts:
        done = subprocess.run(
            [sys.executable, str(PROJECT_FOLDER / f"python_scripts/{script}.py")],
            env=environment | {"COLUMNS": str(width)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        )
        assert [line for line in done.stdout.splitlines() if len(line) > width] == [], script

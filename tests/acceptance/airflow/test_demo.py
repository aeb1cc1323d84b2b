"""The demo on the running stack: what it prints and what is in the databases afterwards."""

import re
import subprocess

import psycopg2

from local_stack.stack import Stack

TASKS = [
    "extract_products",
    "load_to_raw_zone",
    "validate_products",
    "load_to_clean_zone",
    "load_to_quarantine",
    "mark_processed",
    "generate_report",
]


def number(login: dict[str, object], sql: str) -> int:
    """The one number that a query gives."""
    connection = psycopg2.connect(**login)  # type: ignore[call-overload]
    with connection.cursor() as cursor:
        cursor.execute(sql)
        value = int(cursor.fetchone()[0])
    connection.close()
    return value


def test_it_succeeds_and_tells_of_all_seven_tasks(
    demo: subprocess.CompletedProcess[str],
) -> None:
    assert demo.returncode == 0, demo.stdout + demo.stderr
    for task in TASKS:
        assert f"{task} " in demo.stderr
    assert "The ledgers balance" in demo.stdout
    assert "Traceback" not in demo.stderr


def test_every_scraped_product_is_in_exactly_one_place(
    demo: subprocess.CompletedProcess[str], airflow: Stack
) -> None:
    login = airflow.settings.postgres
    assert number(login, "SELECT count(*) FROM raw_products") == 49
    assert number(login, "SELECT count(*) FROM raw_products WHERE processed") == 45
    places = """
        SELECT count(*) FROM raw_products r WHERE processed AND 1 = (
            (SELECT count(*) FROM clean_products WHERE raw_id = r.id)
            + (SELECT count(*) FROM quarantine_products WHERE raw_id = r.id)
            + (SELECT count(*) FROM superseded_products WHERE raw_id = r.id))"""
    assert number(login, places) == 45


def test_the_sensor_tables_grew_by_what_was_sent_less_duplicates(
    demo: subprocess.CompletedProcess[str], airflow: Stack
) -> None:
    login = airflow.settings.timescale
    valid = number(login, "SELECT count(*) FROM sensor_readings") - 1000
    invalid = number(login, "SELECT count(*) FROM sensor_readings_invalid")
    duplicates = number(login, "SELECT sum(duplicates) FROM stream_offsets")
    read = number(login, "SELECT sum(next_offset) FROM stream_offsets")
    sent = re.search(r"\| all +\| +(\d+) ", demo.stdout)
    assert valid > 0
    assert sent
    assert valid + invalid + duplicates == read == int(sent[1])

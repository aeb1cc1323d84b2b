"""trace.py follows records through the real tables; if one is missing, it says where it looked."""

from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from kafka import KafkaProducer

from batch_pipeline.archive import archive
from batch_pipeline.rules import RULE_VERSION
from tests.integration.batch.conftest import product, rows, run_batch
from tests.integration.explore.conftest import Script
from tests.integration.streaming.conftest import reading

Steps = list[dict[str, str]]


def step(steps: Steps, name: str) -> str:
    """What the only step of that name says."""
    (found,) = [each["what"] for each in steps if each["step"] == name]
    return found


@pytest.fixture
def stored(kafka: str, topic: str, drain: Callable[[], None]) -> datetime:
    """A reading at offset 0 of partition 1, the same again, and one out of range; all stored."""
    begin = datetime.now(timezone.utc)
    values = [reading(begin, 0), reading(begin, 0), reading(begin, 1, temperature=999)]
    with closing(KafkaProducer(bootstrap_servers=kafka)) as producer:
        for value in values:
            key = b"read_1" if b"read_1" in value else b"read_0"
            producer.send(topic, key=key, value=value, partition=1).get(timeout=60)
    drain()
    return begin


def test_a_valid_record_is_followed_to_its_chunk(
    as_json: Callable[..., Any], stored: datetime, topic: str
) -> None:
    steps = as_json("trace", "record", "1", "0", "--topic", topic)
    assert step(steps, "as sent") == reading(stored, 0).decode()
    assert step(steps, "validated now").startswith("valid")
    assert step(steps, "stored").startswith("sensor_readings, _timescaledb_internal._hyper")


def test_a_duplicate_names_the_reading_that_is_stored(
    as_json: Callable[..., Any], stored: datetime, topic: str
) -> None:
    steps = as_json("trace", "record", "1", "1", "--topic", topic)
    assert step(steps, "stored").startswith("stream_duplicates")
    assert step(steps, "duplicate of") == f"{topic}, partition 1, offset 0"


def test_a_rejected_record_shows_its_reasons(
    as_json: Callable[..., Any], stored: datetime, topic: str
) -> None:
    steps = as_json("trace", "record", "1", "2", "--topic", topic)
    assert "temperature_out_of_range" in step(steps, "stored")
    assert "temperature_out_of_range" in step(steps, "validated now")


def test_a_reading_is_found_by_sensor_and_time(
    as_json: Callable[..., Any], stored: datetime, topic: str
) -> None:
    steps = as_json("trace", "reading", "read_0", stored.isoformat())
    assert step(steps, "in Kafka") == f"{topic}, partition 1, offset 0"


def test_an_offset_that_kafka_does_not_have_says_what_it_has(
    as_json: Callable[..., Any], stored: datetime, topic: str
) -> None:
    steps = as_json("trace", "record", "1", "99", "--topic", topic)
    assert step(steps, "not in Kafka") == "partition 1 holds offsets 0 to 2"
    assert "the validator is at offset 3" in step(steps, "not stored")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["reading", "nobody", "2026-01-31T10:00:00Z"], "has no reading of nobody"),
        (["record", "0", "0", "--topic", "no_such_topic"], "no such topic"),
        (["product", "NONE"], "No raw row names product NONE"),
        (["raw", "999"], "raw_products has no row 999"),
    ],
)
def test_what_is_not_there_is_one_sentence(
    script: Script, arguments: list[str], sentence: str
) -> None:
    done = script("trace", *arguments)
    assert done.returncode == 1
    assert sentence in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("time", ["yesterday", "2026-01-31T10:00:00"])
def test_a_time_without_zone_is_wrong_usage(script: Script, time: str) -> None:
    assert script("trace", "reading", "sensor_1", time).returncode == 2


def test_a_product_shows_what_superseded_it(
    as_json: Callable[..., Any], pipeline_db: dict[str, Any]
) -> None:
    with closing(psycopg2.connect(**pipeline_db)) as connection:
        run_batch(connection, "first", {"vendor": [product("A", price=1), product("A", price=1)]})
        run_batch(connection, "second", {"vendor": [product("A", price=2)]})
    steps = as_json("trace", "product", "A")
    zones = [each["what"].split(",")[0] for each in steps if each["step"] == "stored"]
    assert zones == ["superseded_products", "quarantine_products", "clean_products"]
    assert step(steps, "superseded by").endswith("of batch second")
    assert step(steps, "duplicate of").startswith("raw row ")
    assert step(steps, "now").endswith("batch second")


def test_a_row_that_was_archived_names_its_file(
    as_json: Callable[..., Any], pipeline_db: dict[str, Any], tmp_path: Path
) -> None:
    with closing(psycopg2.connect(**pipeline_db)) as connection:
        records = [product("A"), product("A", price="CALL")]
        run_batch(connection, "a run", {"vendor": records})
        raw_ids = rows(connection, "SELECT id FROM raw_products WHERE batch_id = 'a run'")
        archive(connection, "a run", tmp_path)
    (file,) = tmp_path.iterdir()
    steps = as_json("trace", "product", "A")
    archived = [each["what"] for each in steps if each["step"] == "archived"]
    command = "python batch_pipeline/reprocess.py 'a run'"
    assert archived == [f"in {file.name}; to read it back and re-validate it: {command}"] * 2
    zones = [each["what"].split(",")[0] for each in steps if each["step"] == "stored"]
    assert zones == ["clean_products", "quarantine_products"]
    assert step(steps, "now").endswith("batch a run")
    for (raw_id,) in raw_ids:
        shown = as_json("trace", "raw", str(raw_id))
        assert step(shown, "raw row") == f"{raw_id}: vendor"
        assert file.name in step(shown, "archived")


def test_a_row_that_no_run_has_validated_says_so(as_json: Callable[..., Any]) -> None:
    steps = as_json("trace", "raw", "3")
    assert step(steps, "validated").startswith("not yet")
    reasons = "name_missing, price_not_a_number, stock_negative"
    assert step(steps, "validated now") == f"{reasons} (rule version {RULE_VERSION})"
    assert step(steps, "stored").startswith("raw_products only")


def test_the_table_is_no_wider_than_the_terminal(script: Script) -> None:
    shown = script("trace", "raw", "1").stdout
    assert max(map(len, shown.splitlines())) <= 100

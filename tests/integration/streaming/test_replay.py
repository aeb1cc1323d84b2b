"""stream_validator.py --replay: the result is that of a first reading by today's rules."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Any

import pytest
from kafka import KafkaAdminClient, TopicPartition

from local_stack.stack import Stack
from streaming_pipeline.rules import RULE_VERSION
from tests.databases import fresh_database
from tests.integration.streaming.conftest import SECONDS, Pipeline, ended

OTHER_RULES = "tests/integration/streaming/other_rules.py"
START = datetime(2000, 1, 1, tzinfo=timezone.utc)  # each test sets it
TABLES = ("sensor_readings", "sensor_readings_invalid", "stream_duplicates", "stream_offsets")


@pytest.fixture(autouse=True)
def start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set START for each test: half an hour after it, in a long run, readings are late."""
    begin = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(minutes=5)
    monkeypatch.setattr(f"{__name__}.START", begin)


def reading(key: int, temperature: float, **fields: Any) -> bytes:
    """A reading; those of the same key have the same sensor and time."""
    values = {
        "sensor_id": f"replayed_{key % 3}",
        "timestamp": (START + timedelta(seconds=key)).isoformat(),
        "temperature": temperature,
        "humidity": 50,
        "pressure": 1013,
        "location": "x",
    }
    return json.dumps(values | fields).encode()


def contents(pipeline: Pipeline) -> dict[str, list[Any]]:
    """All that is stored of the topic, row for row; only the times of writing are left out."""
    found = {}
    for table in TABLES:
        rows = pipeline.rows(f"SELECT to_jsonb(t) FROM {table} AS t WHERE topic = %s")
        for (row,) in rows:
            row.pop("found_at", None)
            row.pop("updated_at", None)
            if table == "sensor_readings_invalid":
                row.pop("time")
        found[table] = sorted(json.dumps(row, sort_keys=True) for (row,) in rows)
    return found


def replay(pipeline: Pipeline, *arguments: str) -> str:
    return ended(pipeline.start_validator("--replay", *arguments))[0]


def by_other_rules(
    pipeline: Pipeline, lowest: int, highest: int, *arguments: str
) -> "subprocess.Popen[str]":
    """Start a validator with another range of temperature, in °C; by default it replays."""
    limits = {"LOWEST": str(lowest), "HIGHEST": str(highest)}
    wide = {"COLUMNS": "200"}  # no cell of its table is broken
    return pipeline.start(OTHER_RULES, *(arguments or ["--replay"]), **limits, **wide)


def replay_by_other_rules(pipeline: Pipeline, lowest: int, highest: int, *arguments: str) -> str:
    return ended(by_other_rules(pipeline, lowest, highest, *arguments))[0]


@pytest.fixture
def second_database(stack: Stack, pipeline: Pipeline) -> Iterator[Pipeline]:
    """The same topic with another empty database."""
    with fresh_database(stack, "my_timescaledb") as login:
        second = Pipeline(pipeline.kafka, pipeline.topic, login, pipeline.producer)
        yield second
        second.close()


def test_both_ways_and_back(pipeline: Pipeline, second_database: Pipeline) -> None:
    random = Random(4)
    for _ in range(2000):  # many of one key: duplicates, conflicts, and who was first matters
        temperature = random.choice([-45, -20, 20, 20, 20, 70, 90])
        pipeline.send(reading(random.randrange(400), temperature))
    pipeline.send(b"no JSON", reading(500, 20, sensor_id=None))
    pipeline.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RAISE 'never on a day like this'; END $$"
    )
    pipeline.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON sensor_readings FOR EACH ROW"
        " WHEN (NEW.location = 'refused') EXECUTE FUNCTION refuse()"
    )
    pipeline.send(reading(501, 20, location="refused"))
    pipeline.validate()
    first = contents(pipeline)
    assert all(first.values())
    assert any("rejected_by_database" in row for row in first["sensor_readings_invalid"])

    replay(pipeline)
    assert contents(pipeline) == first

    out = replay_by_other_rules(pipeline, 0, 100)
    assert re.search(r"quarantine: temperature_out_of_range +\| sensor_readings ", out)
    assert contents(pipeline)["sensor_readings"] != first["sensor_readings"]
    replay(pipeline)
    assert contents(pipeline) == first

    pipeline.execute("DROP TRIGGER refuse ON sensor_readings")
    replay_by_other_rules(pipeline, 0, 100)
    start = ("--group", "second", "--exit-when-idle", "0.5")
    replay_by_other_rules(second_database, 0, 100, *start)
    assert contents(pipeline) == contents(second_database)
    records, stored, duplicates = pipeline.ledger()
    assert records == stored + duplicates == 2003


def test_what_no_validator_has_read_is_left_to_it(pipeline: Pipeline) -> None:
    pipeline.send(reading(1, 20), reading(1, 20))
    pipeline.validate()
    pipeline.send(reading(2, 20), b"no JSON")
    pipeline.producer.flush()
    replay(pipeline)
    assert pipeline.ledger() == (2, 1, 1)
    pipeline.validate()
    assert pipeline.ledger() == (4, 3, 1)


def test_a_dry_run_says_what_would_move_where_and_moves_nothing(pipeline: Pipeline) -> None:
    pipeline.send(reading(1, 20), reading(2, 90), b"no JSON")
    pipeline.validate()
    pipeline.execute("UPDATE sensor_readings SET humidity = 99 WHERE topic IS NOT NULL")
    pipeline.execute("DELETE FROM sensor_readings_invalid WHERE 'not_json' = ANY (issues)")
    before = contents(pipeline)
    out, _ = ended(pipeline.start("streaming_pipeline/replay.py", "--dry-run"))
    assert re.search(r"nowhere +\| quarantine: not_json +\| +1 \| partition 0, offset 2 ", out)
    assert "| would move |" in out
    assert contents(pipeline) == before
    out, _ = ended(pipeline.start("streaming_pipeline/replay.py"))
    assert "| moved |" in out
    assert pipeline.rows("SELECT humidity FROM sensor_readings WHERE topic = %s") == [(50,)]
    assert pipeline.ledger() == (3, 3, 0)
    out, _ = ended(pipeline.start("streaming_pipeline/replay.py"))
    assert "No record has moved." in out


def test_another_partitions_reading_takes_the_place_and_tables_are_refilled(
    pipeline: Pipeline,
) -> None:
    first, other = reading(1, 70), reading(1, 20)
    pipeline.send(first, partition=1)
    pipeline.validate()
    pipeline.send(other, partition=0)
    pipeline.validate()
    temperatures = "SELECT partition, temperature FROM sensor_readings WHERE topic = %s"
    issues = "SELECT partition, issues, rule_version FROM sensor_readings_invalid WHERE topic = %s"
    assert pipeline.rows(temperatures) == [(1, 70)]
    assert pipeline.rows(issues) == [(0, ["conflict"], RULE_VERSION)]

    replay_by_other_rules(pipeline, 0, 60)
    assert pipeline.rows(temperatures) == [(0, 20)]
    assert pipeline.rows(issues) == [(1, ["temperature_out_of_range"], RULE_VERSION + 1)]

    pipeline.execute("TRUNCATE sensor_readings, sensor_readings_invalid, stream_duplicates")
    replay(pipeline)
    assert pipeline.ledger() == (2, 2, 0)


def test_killed_in_mid_replay_beside_a_live_validator(pipeline: Pipeline) -> None:
    total = 18_000
    for number in range(total):
        pipeline.send(reading(number // 2, 20, timestamp=moment(number // 2)), partition=number % 6)
    pipeline.validate()
    live = pipeline.start_validator()

    killed = by_other_rules(pipeline, 30, 100)
    moved = "SELECT 1 FROM sensor_readings_invalid WHERE topic = %s LIMIT 1"
    deadline = time.monotonic() + SECONDS
    while not pipeline.rows(moved):
        assert time.monotonic() < deadline, "nothing was moved"
        time.sleep(0.02)
    killed.kill()
    killed.communicate()
    pipeline.processes.remove(killed)
    records, stored, duplicates = pipeline.ledger()
    assert records == total == stored + duplicates
    pipeline.send(*[reading(number, 20, timestamp=moment(number)) for number in range(total // 2)])
    replay_by_other_rules(pipeline, 30, 100)
    pipeline.producer.flush()
    pipeline.wait_until_read(total + total // 2)
    live.send_signal(signal.SIGTERM)
    ended(live)
    replay(pipeline)
    assert pipeline.ledger() == (total + total // 2, total // 2, total)


def moment(number: int) -> str:
    return (START + timedelta(milliseconds=number)).isoformat()


def test_from_a_time_and_what_kafka_no_longer_holds(pipeline: Pipeline) -> None:
    def cold() -> list[Any]:
        return sorted(
            row[0]
            for row in pipeline.rows(
                'SELECT "offset" FROM sensor_readings_invalid WHERE topic = %s'
                f" AND rule_version = {RULE_VERSION + 1}"
            )
        )

    pipeline.send(*[reading(number, 20) for number in range(10)])
    pipeline.producer.flush()
    time.sleep(0.01)
    since = datetime.now(timezone.utc).isoformat()
    time.sleep(0.01)
    pipeline.send(*[reading(number, 20) for number in range(10, 20)])
    pipeline.validate()
    replay_by_other_rules(pipeline, 30, 100, "--replay-from", since)
    assert cold() == list(range(10, 20))

    admin = KafkaAdminClient(bootstrap_servers=pipeline.kafka)
    admin.delete_records({TopicPartition(pipeline.topic, 0): 5})
    admin.close()
    replay_by_other_rules(pipeline, 30, 100)
    assert cold() == list(range(5, 20))
    assert pipeline.ledger() == (20, 20, 0)

    pipeline.execute("UPDATE stream_offsets SET topic_id = gen_random_uuid()")
    _, err = ended(pipeline.start_validator("--replay"))
    assert "its rows stay as they are" in err
    assert cold() == list(range(5, 20))

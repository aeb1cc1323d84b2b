"""docs/streaming-bad-input.md says what becomes of bad readings: every case is tried here.

First by the rules alone, then all cases in one run of the real path, between valid neighbours.
"""

import json
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any, NamedTuple

import pytest

from pipeline_settings import PROJECT_FOLDER
from streaming_pipeline.rules import Reading, Rejection, judge
from tests.streaming.conftest import Pipeline

PAGE = (PROJECT_FOLDER / "docs" / "streaming-bad-input.md").read_text()
DAY = "2026-11-24"
KAFKA_TIME = f"{DAY}T08:00:00Z"
GOOD = {
    "sensor_id": '"sensor_1"',
    "timestamp": f'"{KAFKA_TIME}"',
    "temperature": "21.5",
    "humidity": "50",
    "pressure": "1013.2",
    "location": '"warehouse_north"',
}


class Case(NamedTuple):
    """A record as sent, and what the page says of it."""

    name: str
    value: bytes | None
    key: bytes | None
    kafka_ms: int
    becomes: str

    @property
    def issues(self) -> str | None:
        """The reason codes, None for a valid reading."""
        outcome, _, detail = self.becomes.partition(": ")
        return detail if outcome == "quarantined" else None


def rows_under(heading: str) -> Iterator[list[str]]:
    """The cells of the table's rows under a heading, without its head."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    for line in [line for line in section.splitlines() if line.startswith("|")][2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


def as_sent(cell: str) -> bytes | None:
    """The bytes between backticks; "500 * x" stands for 500 times x."""
    if cell == "no value":
        return None
    text = cell.removeprefix("hex ")[1:-1]
    if cell.startswith("hex "):
        return bytes.fromhex(text)
    return re.sub(r"(\d+) \* (.)", lambda m: m[2] * int(m[1]), text).encode()


def milliseconds(time: str) -> int:
    return int(datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp() * 1000)


def record(fields: dict[str, str]) -> bytes:
    members = ", ".join(f'"{name}": {value}' for name, value in fields.items())
    return f"{{{members}}}".encode()


def cases() -> Iterator[Case]:
    now = milliseconds(KAFKA_TIME)
    for name, field, value, becomes in rows_under("Fields"):
        fields = GOOD | {field: (as_sent(value) or b"").decode()}
        if value == "left out":
            del fields[field]
        yield Case(f"{field} {name}", record(fields), None, now, becomes)
    for name, value, becomes in rows_under("Records"):
        key = b"sensor_1" if value == "no value" else None
        yield Case(name, as_sent(value), key, now, becomes)
    for name, cell, time, becomes in rows_under("Keys and Kafka's timestamp"):
        yield Case(f"key {name}", record(GOOD), as_sent(cell), milliseconds(time), becomes)


CASES = list(cases())


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_case_becomes_what_the_page_says(case: Case) -> None:
    verdict = judge(case.value, case.key, case.kafka_ms)
    if case.issues is not None:
        assert isinstance(verdict, Rejection)
        assert ", ".join(verdict.issues) == case.issues
        return
    assert isinstance(verdict, Reading)
    if " = " in case.becomes:
        field, value = case.becomes.removeprefix("valid: ").split(" = ")
        expected = (as_sent(f"`{value}`") or b"").decode()
        assert str(getattr(verdict, field)) == expected


def test_the_page_names_every_reason_that_the_rules_can_give() -> None:
    source = (PROJECT_FOLDER / "streaming_pipeline" / "rules.py").read_text()
    given = set(re.findall(r'(?:append|Error|return)\(?\s*"([a-z0-9_]+)"', source))
    assert {"null_value", "key_mismatch", "timestamp_late", "extra_too_long"} <= given
    assert {code for code in given if code not in PAGE} == set()
    kinds = set(re.findall(r"\{field\}(_[a-z_]+)", source))
    for field in ("sensor_id", "location"):
        of_text = kinds & {"_wrong_type", "_empty", "_bad_character", "_too_long"}
        assert {kind for kind in of_text if field + kind not in PAGE} == set()
    for field in ("temperature", "humidity", "pressure"):
        of_number = kinds & {"_missing", "_wrong_type", "_not_finite", "_out_of_range"}
        missing = {kind for kind in of_number if field + kind not in PAGE}
        assert missing == set()


def today(case: Case, number: int) -> Case:
    """The case as if the page had been written today, with a sensor of its own."""
    day = f"{datetime.now(timezone.utc):%Y-%m-%d}"
    shift = milliseconds(f"{day}T08:00:00Z") - milliseconds(KAFKA_TIME)

    def changed(text: bytes | None) -> bytes | None:
        if text is None:
            return None
        text = text.replace(DAY.encode(), day.encode())
        return text.replace(b"sensor_1", b"sensor_%d" % (1000 + number))

    return case._replace(
        value=changed(case.value), key=changed(case.key), kafka_ms=case.kafka_ms + shift
    )


def neighbour(number: int, case: Case) -> Case:
    """A valid reading that is sent before a case."""
    fields = GOOD | {"sensor_id": f'"neighbour_{number}"'}
    return Case("neighbour", record(fields), None, milliseconds(KAFKA_TIME), "valid")


def test_all_cases_on_the_real_path(pipeline: Pipeline) -> None:
    sent = []
    for number, case in enumerate(CASES):
        for one in (neighbour(number, case), case):
            it = today(one, number)
            partition = number % 6
            future = pipeline.producer.send(
                pipeline.topic, it.value, it.key, partition=partition, timestamp_ms=it.kafka_ms
            )
            sent.append((it, future))
    pipeline.validate()

    stored = where_all_are(pipeline)
    for case, future in sent:
        answer = future.get(timeout=30)
        found = stored.pop((answer.partition, answer.offset))
        if case.issues is None:
            assert found == "valid", case.name
        else:
            assert found == (case.issues, case.value, case.key), case.name
    assert stored == {}
    assert pipeline.ledger() == (len(sent), len(sent), 0)
    extras = pipeline.rows("SELECT extra FROM sensor_readings WHERE extra IS NOT NULL")
    assert sorted(map(json.dumps, (row[0] for row in extras))) == sorted(
        json.dumps(json.loads(case.becomes.split("extra = ")[1]))
        for case in CASES
        if "extra = " in case.becomes
    )


def where_all_are(pipeline: Pipeline) -> dict[tuple[int, int], Any]:
    """By partition and offset: "valid", or issues, raw bytes and key."""
    valid = pipeline.rows('SELECT partition, "offset" FROM sensor_readings WHERE topic = %s')
    invalid = pipeline.rows(
        'SELECT partition, "offset", issues, raw, key FROM sensor_readings_invalid WHERE topic = %s'
    )
    stored: dict[tuple[int, int], Any] = {origin: "valid" for origin in valid}
    for partition, offset, issues, raw, key in invalid:
        assert (partition, offset) not in stored
        stored[partition, offset] = issues, raw, key
    return stored

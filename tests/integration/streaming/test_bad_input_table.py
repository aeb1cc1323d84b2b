"""All cases of docs/streaming-bad-input.md end to end, each next to a valid record."""

import json
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

from tests.integration.streaming.conftest import Pipeline
from tests.unit.streaming.bad_input import (
    CASES,
    DAY,
    GOOD,
    KAFKA_TIME,
    Case,
    milliseconds,
    record,
)


def moved_to(day: str, case: Case, number: int) -> Case:
    """The case as if the page had been written on that day, with a sensor of its own."""
    shift = milliseconds(f"{day}T08:00:00Z") - milliseconds(KAFKA_TIME)

    def changed(text: bytes | None) -> bytes | None:
        if text is None:
            return None
        text = text.replace(DAY.encode(), day.encode())
        return text.replace(b"sensor_1", b"sensor_%d" % (1000 + number))

    return case._replace(
        value=changed(case.value),
        key=changed(case.key),
        kafka_ms=case.kafka_ms + shift,
        becomes=case.becomes.replace(DAY, day),
    )


def neighbour(number: int, case: Case) -> Case:
    """A valid reading that is sent before a case."""
    fields = GOOD | {"sensor_id": f'"neighbour_{number}"'}
    now = milliseconds(KAFKA_TIME)
    return Case("neighbour", record(fields), None, now, now, "valid")


def test_all_cases_on_the_real_path(pipeline: Pipeline) -> None:
    sent = []
    day = f"{datetime.now(timezone.utc):%Y-%m-%d}"
    for number, case in enumerate(CASES):
        for one in (neighbour(number, case), case):
            it = moved_to(day, one, number)
            partition = number % 6
            future = pipeline.producer.send(
                pipeline.topic, it.value, it.key, partition=partition, timestamp_ms=it.kafka_ms
            )
            sent.append((it, future))
    pipeline.validate()

    stored = where_all_are(pipeline)
    for case, future in sent:
        answer = future.get(timeout=120)
        found = stored.pop((answer.partition, answer.offset))
        if case.issues is not None:
            assert found == (case.issues, case.value, case.key), case.name
        elif "extra = {" in case.becomes:
            assert as_numbers(found) == as_numbers(case.becomes.split("extra = ")[1]), case.name
        else:
            assert found is None, case.name
    assert stored == {}
    assert pipeline.ledger() == (len(sent), len(sent), 0)


def as_numbers(text: str) -> Any:
    """JSON with every digit of its numbers."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def where_all_are(pipeline: Pipeline) -> dict[tuple[int, int], Any]:
    """By partition and offset: `extra` of a valid one, or issues, raw bytes and key."""
    valid = pipeline.rows(
        'SELECT partition, "offset", extra::text FROM sensor_readings WHERE topic = %s'
    )
    invalid = pipeline.rows(
        'SELECT partition, "offset", issues, raw, key FROM sensor_readings_invalid WHERE topic = %s'
    )
    stored: dict[tuple[int, int], Any] = {tuple(origin): extra for *origin, extra in valid}
    for partition, offset, issues, raw, key in invalid:
        assert (partition, offset) not in stored
        stored[partition, offset] = issues, raw, key
    return stored

"""A batch is validated record by record; one that is too large is halved without a loss."""

import json
import uuid
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming_pipeline import record_batch
from streaming_pipeline.kafka_topic import Topic
from streaming_pipeline.record import UNREADABLE, Record
from streaming_pipeline.record_batch import Batch, Newest, verdict_on
from streaming_pipeline.rows import Invalid, Valid
from streaming_pipeline.rules import Rejection

TOPIC = Topic("t", str(uuid.UUID(int=0)))


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """Records of some partitions, with gaps between their offsets, before and behind them."""
    records, expected, after = {}, {}, {}
    for partition in draw(st.sets(st.integers(0, 5), min_size=1)):
        offsets = sorted(draw(st.sets(st.integers(10, 60), max_size=20)))
        records[partition] = [Record(partition, o, 0, False, None, None) for o in offsets]
        expected[partition] = draw(st.integers(0, 10))
        after[partition] = draw(st.integers(61, 70))
    return Batch(TOPIC, records, expected, after)


@given(batches())
def test_the_second_half_goes_on_where_the_first_ends(batch: Batch) -> None:
    first, second = batch.halves()
    assert first.topic == second.topic == TOPIC
    assert abs(first.size - second.size) <= 1
    for partition in batch.records:
        parts = [half for half in (first, second) if partition in half.records]
        joined = [record for half in parts for record in half.records[partition]]
        assert joined == batch.records[partition]
        assert parts[0].expected[partition] == batch.expected[partition]
        assert parts[-1].after[partition] == batch.after[partition]
        if len(parts) > 1:
            assert first.after[partition] == second.expected[partition]
            assert first.records[partition][-1].offset < first.after[partition]
            assert first.after[partition] <= second.records[partition][0].offset


@given(batches())
def test_halves_are_validated_as_of_the_same_arrival(batch: Batch) -> None:
    halves = list(batch.halves())
    assert {half.received_ms for half in halves} == {batch.received_ms}
    assert sum(len(half.rejections) for half in halves) == batch.size


SENT = datetime(2026, 11, 24, 9, tzinfo=timezone.utc)
SENT_MS = int(SENT.timestamp() * 1000)


def record(offset: int, second: int = 0, sensor: str = "s", key: bytes | None = None) -> Record:
    """A reading of a sensor, so many seconds after SENT."""
    fields = {
        "sensor_id": sensor,
        "timestamp": (SENT + timedelta(seconds=second)).isoformat(),
        "temperature": 20.5,
        "humidity": 50.5,
        "pressure": 1000.5,
    }
    return Record(0, offset, SENT_MS, False, key, json.dumps(fields).encode())


def validated(*records: Record, newest: Newest | None = None, received_ms: int = SENT_MS) -> Batch:
    after = records[-1].offset + 1
    batch = Batch(TOPIC, {0: list(records)}, {0: 0}, {0: after}, received_ms)
    return batch.validate({} if newest is None else newest)


def offsets(rows: list[Valid] | list[Invalid]) -> list[int]:
    return [row[0].offset for row in rows]


def test_what_is_newer_than_all_before_of_its_sensor_is_fresh_and_the_rest_is_suspect() -> None:
    newest: Newest = {}
    other = record(3, 1, "other")
    batch = validated(record(0, 1), record(1, 2), record(2, 2), other, newest=newest)
    assert (offsets(batch.fresh), offsets(batch.suspects)) == ([0, 1, 3], [2])
    later = validated(record(4, 1), record(5, 3), newest=newest)
    assert (offsets(later.fresh), offsets(later.suspects)) == ([5], [4])
    moments = {"s": SENT + timedelta(seconds=3), "other": SENT + timedelta(seconds=1)}
    assert newest == {0: moments}
    assert [reading for _, reading in batch.fresh + batch.suspects] == [
        verdict_on(one, SENT_MS) for one in (record(0, 1), record(1, 2), other, record(2, 2))
    ]


def test_too_many_sensors_are_forgotten_which_only_makes_readings_suspect_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(record_batch, "MOST_SENSORS", 2)
    newest: Newest = {}
    validated(record(0, 1, "a"), record(1, 1, "b"), newest=newest)
    assert offsets(validated(record(2, 1, "a"), newest=newest).suspects) == [2]
    validated(record(3, 1, "c"), newest=newest)
    assert offsets(validated(record(4, 1, "a"), newest=newest).fresh) == [4]


def test_a_rejection_goes_with_its_record_and_its_arrival() -> None:
    unreadable = Record(0, 1, SENT_MS, False, None, b"a batch", UNREADABLE)
    records = record(0, key=b"of another"), unreadable, Record(0, 2, SENT_MS, False, None, None)
    arrived = SENT_MS + 1
    assert validated(*records, received_ms=arrived).rejections == [
        (records[0], Rejection("s", ["key_mismatch"]), arrived),
        (records[1], Rejection(None, [UNREADABLE]), arrived),
        (records[2], Rejection(None, ["null_value"]), arrived),
    ]
    assert [verdict_on(one, arrived) for one in records] == [
        Rejection("s", ["key_mismatch"]),
        Rejection(None, [UNREADABLE]),
        Rejection(None, ["null_value"]),
    ]


@pytest.mark.parametrize("days", [-2, 85])
def test_a_kafka_timestamp_is_compared_with_the_arrival(days: int) -> None:
    received_ms = SENT_MS + days * 86_400_000
    [(_, rejection, _)] = validated(record(0), received_ms=received_ms).rejections
    assert rejection.issues == ["kafka_timestamp_out_of_range"]

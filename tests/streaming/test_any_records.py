"""Whatever a producer sends: nothing stops the stream, and each record is found in one place."""

import json
import time
from datetime import datetime, timezone
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from streaming_pipeline.rules import Reading, classify, judge
from tests.streaming.conftest import Pipeline

NOW = datetime.now(timezone.utc)
# Texts with the characters that databases and parsers stumble over among them.
text = st.text(st.characters() | st.sampled_from("\x00\x01\ud800\\\"'\t\n,\u2028🌡"), max_size=20)
leaf = st.none() | st.booleans() | st.integers() | st.floats() | text
anything = st.recursive(leaf, lambda inner: st.lists(inner) | st.dictionaries(text, inner))
plausible: dict[str, st.SearchStrategy[Any]] = {
    "sensor_id": st.sampled_from(["a", "b"]) | text | anything,
    "timestamp": st.just(NOW.isoformat()) | st.datetimes().map(str) | anything,
    "temperature": st.floats(-50, 100) | anything,
    "humidity": st.integers(0, 100) | anything,
    "pressure": st.floats(890, 1110) | anything,
    "location": st.none() | text | anything,
}
valid = st.fixed_dictionaries(
    {
        "sensor_id": st.sampled_from(["a", "b"]) | text.filter(len),
        "timestamp": st.just(NOW.isoformat()),
        "temperature": st.sampled_from([20, 20.5]) | st.floats(-40, 85),
        "humidity": st.just(50),
        "pressure": st.just(1013),
        "location": st.sampled_from(["x", "y", None]),
    },
    optional={"firmware": leaf, "extra": anything},
)


def changed(value: bytes, at: int, by: bytes) -> bytes:
    """A value with one place of it changed."""
    at %= len(value) + 1
    return value[:at] + by + value[at + 1 :]


as_json = st.one_of(
    st.fixed_dictionaries({}, optional=plausible | {"extra": anything}).map(json.dumps),
    valid.map(lambda fields: json.dumps(fields, ensure_ascii=False)),
    valid.map(json.dumps),
    anything.map(json.dumps),
).map(lambda text: text.encode(errors="surrogatepass"))
mutated = st.builds(changed, as_json, st.integers(0), st.binary(max_size=3))
values = st.none() | st.binary() | as_json | mutated
ALWAYS: list[tuple[bytes | None, bytes | None]] = [
    (
        b'{"sensor_id":"always","timestamp":"%s","temperature":20,"humidity":%d,"pressure":1000,'
        b'"location":"x"}' % (NOW.isoformat().encode(), humidity),
        b"always",
    )
    for humidity in (40, 40, 50)
]  # a reading, a duplicate, a conflict
keys = st.none() | st.sampled_from([b"a", b"b", b"\xff"]) | st.binary()


@settings(max_examples=300, deadline=None)
@given(values, keys)
@example(b'{"a":' + b"[" * 100_000 + b'"' * 16, None)
@example(
    b'{"sensor_id":"a","timestamp":"%s","temperature":1,"temperature":2,"humidity":1,'
    b'"pressure":1000,"location":null}' % NOW.isoformat().encode(),
    None,
)
@example(
    b'{"sensor_id":"a","timestamp":"%s","temperature":1,"humidity":1,"pressure":1000,'
    b'"location":null,"extra":1}' % NOW.isoformat().encode(),
    None,
)
def test_the_fast_way_says_what_the_exact_way_says(value: bytes | None, key: bytes | None) -> None:
    now = int(NOW.timestamp() * 1000)
    assert judge(value, key, now) == classify(value, key, now)


def test_any_records_go_through_and_each_ends_in_one_place(pipeline: Pipeline) -> None:
    pipeline.start_validator()
    read = 0

    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(st.lists(st.tuples(values, keys), min_size=1, max_size=40), st.integers(0, 5))
    def send_and_look(records: list[tuple[bytes | None, bytes | None]], partition: int) -> None:
        nonlocal read
        records = ALWAYS + [(value, b"a" if value is None else key) for value, key in records]
        futures = [
            pipeline.producer.send(pipeline.topic, value, key, partition=partition)
            for value, key in records
        ]
        answers = [future.get(timeout=30) for future in futures]
        read += len(records)
        pipeline.wait_until_read(read)
        stored = places(pipeline, partition, answers[0].offset)
        for (value, key), answer in zip(records, answers, strict=True):
            assert stored.pop(answer.offset) in ("valid", "duplicate", (value, key))
        assert stored == {}

    send_and_look()
    records, stored, duplicates = pipeline.ledger()
    assert records == read == stored + duplicates
    assert duplicates > 0
    assert pipeline.rows("SELECT 1 FROM sensor_readings_invalid WHERE issues = 'conflict'")


def places(pipeline: Pipeline, partition: int, first: int) -> dict[int, Any]:
    """Where the records from an offset on are: bytes and key of those in quarantine."""
    since = f'WHERE topic = %s AND partition = {partition} AND "offset" >= {first}'
    stored: dict[int, Any] = {}
    for offset, raw, key in pipeline.rows(
        f'SELECT "offset", raw, key FROM sensor_readings_invalid {since}'
    ):
        stored[offset] = (raw, key)
    for place, table in (("valid", "sensor_readings"), ("duplicate", "stream_duplicates")):
        for (offset,) in pipeline.rows(f'SELECT "offset" FROM {table} {since}'):
            assert offset not in stored
            stored[offset] = place
    return stored


def test_a_reading_keeps_its_values(pipeline: Pipeline) -> None:
    fields = {
        "sensor_id": "a\tb\\N\n🌡",
        "timestamp": NOW.isoformat(),
        "temperature": 21.123456789012345,
        "humidity": 1e-300,
        "pressure": 1013,
        "location": "\\.",
        "firmware": {"1": ["\\", "\t", "é"]},
    }
    pipeline.send(json.dumps(fields).encode())
    begin = time.time() * 1000
    verdict = judge(json.dumps(fields).encode(), None, int(begin))
    assert isinstance(verdict, Reading)
    pipeline.validate()
    [row] = pipeline.rows(
        "SELECT sensor_id, time, temperature, humidity, pressure, location, extra"
        " FROM sensor_readings WHERE topic = %s"
    )
    assert row == (
        fields["sensor_id"],
        NOW,
        fields["temperature"],
        fields["humidity"],
        1013.0,
        fields["location"],
        {"firmware": fields["firmware"]},
    )

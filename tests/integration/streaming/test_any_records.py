"""Whatever a producer sends: nothing blocks the stream, and each record is in exactly one table."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.streaming.conftest import Pipeline, Table
from tests.unit.streaming import any_records


def test_any_records_go_through_and_each_ends_in_one_place(pipeline: Pipeline) -> None:
    kafka_ms = int(pipeline.begin.timestamp() * 1000)
    again, other = pipeline.reading(0), pipeline.reading(0, humidity=51)
    always = [(again, None), (again, None), (other, None)]  # a reading, a duplicate, a conflict
    pipeline.start_validator()
    read = 0

    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(
        st.lists(
            st.tuples(any_records.values(pipeline.begin), any_records.keys), min_size=1, max_size=40
        ),
        st.integers(0, 5),
    )
    def send_and_look(sent: list[tuple[bytes | None, bytes | None]], partition: int) -> None:
        nonlocal read
        records = always + [(value, b"a" if value is None else key) for value, key in sent]
        futures = [
            pipeline.producer.send(
                pipeline.topic, value, key, partition=partition, timestamp_ms=kafka_ms
            )
            for value, key in records
        ]
        answers = [future.get(timeout=60) for future in futures]
        read += len(records)
        pipeline.wait_until_read(read)
        stored = places(pipeline, partition, answers[0].offset)
        for (value, key), answer in zip(records, answers, strict=True):
            assert stored.pop(answer.offset) in ("valid", "duplicate", (value, key))
        assert stored == {}

    send_and_look()
    total, stored, duplicates = pipeline.ledger()
    assert total == read == stored + duplicates
    assert duplicates > 0
    assert pipeline.rows("SELECT 1 FROM sensor_readings_invalid WHERE 'conflict' = ANY (issues)")


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


def test_a_reading_keeps_its_values(table: Table) -> None:
    fields = {
        "sensor_id": "a\tb\\N\n🌡",
        "timestamp": table.begin.isoformat(),
        "temperature": 21.123456789012345,
        "humidity": 1e-300,
        "pressure": 1013,
        "location": "\\.",
        "firmware": {"1": ["\\", "\t", "é"]},
    }
    table.write(json.dumps(fields).encode())
    [row] = table.rows(
        "SELECT sensor_id, time, temperature, humidity, pressure, location, extra"
        " FROM sensor_readings WHERE topic IS NOT NULL"
    )
    assert row == (
        fields["sensor_id"],
        table.begin,
        fields["temperature"],
        fields["humidity"],
        1013.0,
        fields["location"],
        {"firmware": fields["firmware"]},
    )

"""Re-validating one batch: only what changes is touched."""

from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg2
import pytest

from pipeline_common.errors import StackError
from streaming_pipeline import rules
from streaming_pipeline.accepted_loss import accept_loss
from streaming_pipeline.offsets import Offset
from streaming_pipeline.record_batch import Batch
from streaming_pipeline.revalidation import Move, Revalidated, revalidate
from tests.integration.streaming.conftest import Table

#: Of every row: which transaction has written it.
WRITTEN = """
SELECT 'valid', "offset", xmin::text FROM sensor_readings WHERE topic IS NOT NULL
UNION ALL SELECT 'invalid', "offset", xmin::text FROM sensor_readings_invalid
UNION ALL SELECT 'duplicate', "offset", xmin::text FROM stream_duplicates ORDER BY 2, 1"""


def revalidated(table: Table, batch: Batch, **options: Any) -> Revalidated:
    """What a replay does with a batch that has been written."""
    with closing(psycopg2.connect(**table.login)) as connection:
        return revalidate(connection, batch, **options)


@pytest.fixture
def batch(table: Table) -> Batch:
    """A valid reading, a duplicate, a conflict, a hot one and a broken one, written."""
    batch = table.batch(
        table.reading(1),
        table.reading(1),
        table.reading(1, humidity=51),
        table.reading(2, temperature=90),
        b"no JSON",
    )
    table.writer.write(batch.validate({}))
    return batch


def test_with_the_same_rules_no_row_is_touched(table: Table, batch: Batch) -> None:
    before = table.rows(WRITTEN)
    done = revalidated(table, batch)
    assert done.moves == []
    assert done.counts == {"sensor_readings": 1, "duplicate": 1, "quarantine": 3}
    assert table.rows(WRITTEN) == before


def test_only_what_moves_is_touched(
    table: Table, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = table.rows(WRITTEN)
    monkeypatch.setitem(rules.RANGES, "temperature", (-40.0, 150.0))
    hot = "quarantine: temperature_out_of_range"
    assert revalidated(table, batch).moves == [Move(0, 3, hot, "sensor_readings")]
    after = table.rows(WRITTEN)
    assert [row for row in after if row[1] != 3] == [row for row in before if row[1] != 3]
    assert table.ledger("valid", "invalid", "duplicate") == (2, 2, 1)


def test_a_dry_run_says_what_would_move_and_changes_nothing(
    table: Table, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = table.rows(WRITTEN)
    monkeypatch.setitem(rules.RANGES, "temperature", (-40.0, 150.0))
    [move] = revalidated(table, batch, dry_run=True).moves
    assert (move.offset, move.after) == (3, "sensor_readings")
    assert table.rows(WRITTEN) == before


def test_the_arrival_of_a_record_stays_what_it_was(table: Table) -> None:
    batch = table.batch(table.reading(1), kafka_time=table.begin - timedelta(days=100))
    table.writer.write(batch.validate({}))
    arrived = table.rows("SELECT time FROM sensor_readings_invalid")
    batch.received_ms += 1000
    revalidated(table, batch)
    assert table.rows("SELECT time FROM sensor_readings_invalid") == arrived
    assert table.quarantine() == [(0, ["kafka_timestamp_out_of_range"])]


def test_a_reading_of_long_ago_stays_valid(table: Table) -> None:
    """It arrived in time; when it is replayed must not matter."""
    batch = table.batch(table.reading(1)).validate({})
    table.writer.write(batch)
    batch.received_ms += 2 * rules.OLDEST_MS
    assert revalidated(table, batch).moves == []
    assert table.ledger("valid") == (1,)


def test_an_earlier_reading_takes_the_place_of_a_later_one(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = table.batch(table.reading(1, temperature=90), table.reading(1))
    table.writer.write(batch.validate({}))
    monkeypatch.setitem(rules.RANGES, "temperature", (-40.0, 150.0))
    moves = {move.offset: move.after for move in revalidated(table, batch).moves}
    assert moves == {0: "sensor_readings", 1: "quarantine: conflict"}
    assert table.ledger("valid", "invalid", "duplicate") == (1, 1, 0)


def test_a_topic_that_was_recreated_meanwhile_ends_it(table: Table, batch: Batch) -> None:
    table.execute("UPDATE stream_offsets SET topic_id = gen_random_uuid()")
    before = table.rows(WRITTEN)
    with pytest.raises(StackError, match="Start the replay again"):
        revalidated(table, batch)
    assert table.rows(WRITTEN) == before


def test_an_offset_that_was_set_back_meanwhile_ends_it(table: Table, batch: Batch) -> None:
    """A validator will read these records: they would be there, and be counted, twice."""
    accept_loss(table.writer.database, table.topic, 0, Offset(table.topic.id, 5), 0)
    before = table.rows(WRITTEN)
    with pytest.raises(StackError, match=r"from offset 0 on.*Start the replay again"):
        revalidated(table, batch)
    assert table.rows(WRITTEN) == before
    again = replace(batch, fresh=[], suspects=[], rejections=[]).validate({})
    table.writer.write(again)
    assert revalidated(table, again).moves == []
    assert table.ledger("read", "valid", "invalid", "duplicate") == (10, 1, 6, 3)

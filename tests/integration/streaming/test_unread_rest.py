"""One row in quarantine stands for a record batch that could not be read, until it can be read."""

from contextlib import closing

import pytest
from kafka import KafkaProducer

from streaming_pipeline.record import UNREADABLE
from tests.integration.streaming.conftest import Pipeline, Table, ended
from tests.integration.streaming.unread_batches import (
    LEDGER,
    part,
    readable,
    replayed,
    unreadable,
    write_unread,
)

VALID = 'SELECT "offset" FROM sensor_readings WHERE topic IS NOT NULL ORDER BY 1'
WITHOUT_ZSTD = "tests/integration/streaming/without_zstd.py"


@pytest.fixture
def unread(table: Table) -> Table:
    """What write_unread leaves."""
    write_unread(table)
    return table


def test_each_of_its_records_is_counted(unread: Table) -> None:
    done = replayed(unread, readable(unread, 0, 5))
    assert unread.ledger(*LEDGER) == (7, 3, 2, 2)
    assert {move.before for move in done.moves} == {"quarantine: unreadable_batch"}
    assert len(done.moves) == 6
    assert replayed(unread, readable(unread, 0, 5)).moves == []
    assert unread.ledger(*LEDGER) == (7, 3, 2, 2)


def test_after_each_part_of_it_the_ledger_holds(unread: Table) -> None:
    whole = readable(unread, 0, 5)
    replayed(unread, part(whole, 0, 2))
    assert unread.ledger(*LEDGER) == (4, 2, 1, 1)  # the rest is still one
    assert unread.quarantine() == [(2, [UNREADABLE])]
    replayed(unread, part(whole, 2, 5))
    assert unread.ledger(*LEDGER) == (7, 3, 2, 2)
    replayed(unread, part(whole, 5, 6))
    assert unread.ledger(*LEDGER) == (7, 3, 2, 2)
    assert unread.quarantine() == [(2, ["not_json"]), (5, ["not_json"])]


def test_it_may_begin_and_end_with_a_gap(unread: Table) -> None:
    replayed(unread, part(readable(unread, 0, 5, gaps=[0, 3]), 0, 4))
    assert unread.quarantine() == [(2, ["not_json"]), (4, [UNREADABLE])]
    replayed(unread, part(readable(unread, 0, 5, gaps=[4]), 4, 6))
    assert unread.ledger(*LEDGER) == (4, 2, 2, 0)


def test_a_replay_from_its_middle_leaves_the_row_to_what_is_before(unread: Table) -> None:
    whole = readable(unread, 0, 5)
    replayed(unread, part(whole, 3, 6))
    assert unread.ledger(*LEDGER) == (5, 2, 2, 1)
    assert unread.quarantine() == [(0, [UNREADABLE]), (5, ["not_json"])]
    replayed(unread, whole)
    assert unread.ledger(*LEDGER) == (7, 3, 2, 2)


@pytest.mark.parametrize("cut", range(1, 6))
def test_after_its_middle_it_may_be_cut_anywhere(unread: Table, cut: int) -> None:
    """The row moves to where a record of the middle has a row: valid, duplicate or invalid."""
    whole = readable(unread, 0, 5)
    replayed(unread, part(whole, 3, 6))
    assert unread.ledger(*LEDGER) == (5, 2, 2, 1)
    replayed(unread, part(whole, 0, cut))
    invalid = (cut < 5) + (cut > 2) + 1  # behind the cut, the rest: record 5 has a row
    duplicates = (cut > 1) + 1
    assert unread.ledger(*LEDGER) == (3 + invalid + duplicates, 3, invalid, duplicates)
    replayed(unread, part(whole, cut, 6))
    for _ in range(2):
        assert unread.ledger(*LEDGER) == (7, 3, 2, 2)
        assert unread.quarantine() == [(2, ["not_json"]), (5, ["not_json"])]
        assert unread.rows(VALID) == [(0,), (3,), (6,)]
        assert unread.rows('SELECT "offset" FROM stream_duplicates ORDER BY 1') == [(1,), (4,)]
        assert replayed(unread, whole).moves == []


def test_its_middle_may_be_cut_behind_a_record_that_goes_to_quarantine(unread: Table) -> None:
    whole = readable(unread, 0, 5)
    replayed(unread, part(whole, 1, 3))
    assert unread.ledger(*LEDGER) == (4, 2, 2, 0)
    replayed(unread, part(whole, 3, 6))
    assert unread.ledger(*LEDGER) == (7, 3, 3, 1)
    replayed(unread, whole)
    assert unread.ledger(*LEDGER) == (7, 3, 2, 2)


def test_what_retention_has_taken_of_its_middle_is_not_counted_again(unread: Table) -> None:
    whole = readable(unread, 0, 5)
    replayed(unread, part(whole, 3, 6))
    unread.execute(
        """WITH taken AS (DELETE FROM sensor_readings WHERE "offset" = 3 RETURNING *)
        INSERT INTO stream_expired SELECT 'sensor_readings', topic, topic_id, partition, 1,
            time + INTERVAL '1 ms', int8multirange(int8range("offset", "offset" + 1)) FROM taken"""
    )
    replayed(unread, whole)
    assert unread.ledger(*LEDGER, "expired") == (7, 2, 2, 2, 1)
    assert unread.rows(VALID) == [(0,), (6,)]


def test_a_dry_run_counts_all_of_it_and_changes_nothing(unread: Table) -> None:
    whole = readable(unread, 0, 5)
    for first, after in ((0, 3), (3, 6)):
        assert len(replayed(unread, part(whole, first, after), dry_run=True).moves) == 3
    assert unread.ledger(*LEDGER) == (2, 1, 1, 0)


def test_while_it_cannot_be_read_nothing_changes(unread: Table) -> None:
    assert replayed(unread, unreadable(unread, 0, 0, 5)).moves == []
    assert unread.ledger(*LEDGER) == (2, 1, 1, 0)


def test_if_less_of_it_can_be_read_again_the_ledger_holds(table: Table) -> None:
    """Three of its records were read at first, then none, then all."""
    table.write(table.reading(0), table.reading(0), b"no JSON")
    table.writer.write(unreadable(table, 3, 0, 5).validate({}))
    assert table.ledger(*LEDGER) == (4, 1, 2, 1)
    replayed(table, unreadable(table, 0, 0, 5))
    assert table.ledger(*LEDGER) == (4, 0, 3, 1)
    replayed(table, readable(table, 0, 5))
    assert table.ledger(*LEDGER) == (6, 2, 2, 2)


def test_by_its_codec(pipeline: Pipeline) -> None:
    with closing(
        KafkaProducer(bootstrap_servers=pipeline.kafka, compression_type="zstd", linger_ms=500)
    ) as producer:
        for value in (pipeline.reading(0), pipeline.reading(0), b"no JSON", pipeline.reading(1)):
            producer.send(pipeline.topic, value, partition=0)
    start = ("--group", pipeline.topic, "--exit-when-idle", "0.5")
    ended(pipeline.start(WITHOUT_ZSTD, *start))
    records, stored, duplicates = pipeline.ledger()
    assert records == stored < 4
    assert duplicates == 0
    ended(pipeline.start("streaming_pipeline/replay.py"))
    assert pipeline.ledger() == (4, 3, 1)

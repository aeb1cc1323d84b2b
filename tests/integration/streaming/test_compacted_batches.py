"""A batch that could not be read, and of which Kafka has compacted some records away meanwhile."""

from contextlib import closing
from dataclasses import replace
from threading import Event

import pytest
from kafka import KafkaProducer

from pipeline_common.settings import Settings
from streaming_pipeline import topic_replay
from streaming_pipeline.client import Poll, Stretch
from streaming_pipeline.kafka_python_client import KafkaPythonClient
from streaming_pipeline.record import UNREADABLE
from streaming_pipeline.topic_replay import Replay
from tests.integration.streaming.conftest import Pipeline, Table, ended
from tests.integration.streaming.unread_batches import (
    LEDGER,
    part,
    readable,
    replayed,
    unreadable,
    write_unread,
)

WITHOUT_ZSTD = "tests/integration/streaming/without_zstd.py"


@pytest.fixture
def unread(table: Table) -> Table:
    """What write_unread leaves."""
    write_unread(table)
    return table


@pytest.mark.parametrize("behind", [[], [6]])
def test_its_row_goes_where_its_last_records_are_compacted_away(
    unread: Table, behind: list[int]
) -> None:
    """The replay has read its records, and then what is behind them: nothing, or another batch."""
    replayed(unread, part(readable(unread, 0, 5, gaps=[4, 5]), 0, 4))
    assert unread.quarantine() == [(2, ["not_json"]), (4, [UNREADABLE])]
    unread.next[0] = 6
    others = unread.batch(*map(unread.reading, behind))
    done = replayed(unread, replace(others, expected={0: 4}, after={0: 6 + len(behind)}))
    assert done.moves == []
    assert unread.ledger(*LEDGER) == (5, 3, 1, 1)
    assert unread.quarantine() == [(2, ["not_json"])]


def test_its_row_stays_where_it_cannot_be_read_again_from_a_record_before(unread: Table) -> None:
    replayed(unread, part(readable(unread, 0, 5), 0, 4))
    assert unread.ledger(*LEDGER) == (6, 3, 2, 1)
    replayed(unread, unreadable(unread, 1, 0, 5))
    assert unread.quarantine() == [(1, [UNREADABLE]), (2, ["not_json"]), (4, [UNREADABLE])]
    assert unread.ledger(*LEDGER) == (6, 3, 3, 0)
    replayed(unread, readable(unread, 0, 5))
    assert unread.ledger(*LEDGER) == (7, 3, 2, 2)


def test_two_rows_stand_for_two_batches(unread: Table) -> None:
    """The second can be read now, and its first record is compacted away."""
    unread.writer.write(unreadable(unread, 7, 7, 9).validate({}))
    first, second = unreadable(unread, 0, 0, 5), readable(unread, 7, 9, gaps=[7])
    both = first.records[0] + second.records[0]
    replayed(unread, replace(first, records={0: both}, after={0: 10}))
    assert unread.ledger(*LEDGER) == (4, 2, 2, 0)


def test_if_it_cannot_be_read_again_from_a_compacted_offset_no_row_is_added(table: Table) -> None:
    table.writer.write(readable(table, 0, 5, gaps=[3]).validate({}))
    assert table.ledger(*LEDGER) == (5, 2, 2, 1)
    assert replayed(table, unreadable(table, 3, 0, 5)).moves == []
    assert table.ledger(*LEDGER) == (5, 2, 2, 1)
    replayed(table, readable(table, 0, 5, gaps=[3]))
    assert table.ledger(*LEDGER) == (5, 2, 2, 1)


class Compacting(KafkaPythonClient):
    """A client in whose log the last record of what it gives has been compacted away."""

    behind: dict[int, Stretch] | None = None

    def poll(self, seconds: float) -> Poll:
        if self.behind:
            behind, self.behind = self.behind, None
            return Poll(None, behind)
        stretches, self.behind = {}, {}
        for partition, (start, after, records) in super().poll(seconds).stretches.items():
            cut = records[-1].offset
            stretches[partition] = Stretch(start, cut, records[:-1])
            self.behind[partition] = Stretch(cut, after, [])
        return Poll(None, stretches)


def test_a_replay_goes_on_behind_its_last_record(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(
        KafkaProducer(bootstrap_servers=pipeline.kafka, compression_type="zstd", linger_ms=500)
    ) as producer:
        for number in range(4):
            producer.send(pipeline.topic, pipeline.reading(number), partition=0)
    start = ("--group", pipeline.topic, "--exit-when-idle", "0.5")
    ended(pipeline.start(WITHOUT_ZSTD, *start))
    for name, value in pipeline.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(topic_replay, "KafkaPythonClient", Compacting)
    Replay(Settings(), pipeline.topic, None, dry_run=False, stopping=Event()).run()
    assert pipeline.rows("SELECT issues FROM sensor_readings_invalid") == []
    records, stored, _ = pipeline.ledger()
    assert records == stored < 4

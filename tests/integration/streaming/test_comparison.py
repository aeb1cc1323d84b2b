"""When Kafka's log is compared with the last record that was read of it, and when not."""

import time
from collections.abc import Iterator
from contextlib import closing
from threading import Event

import pytest
from kafka import KafkaProducer

from local_stack.stack import Stack
from pipeline_common.errors import StackError
from pipeline_common.settings import Settings
from streaming_pipeline.database import Database
from streaming_pipeline.kafka_python_client import KafkaPythonClient
from streaming_pipeline.offsets import Offset
from streaming_pipeline.positions import MOST_READ_AGAIN
from streaming_pipeline.reader import Reader
from streaming_pipeline.topic_replay import Replay
from tests.integration.streaming.conftest import SECONDS, Pipeline
from tests.integration.streaming.test_lost_end import lose_the_end, send


@pytest.fixture
def member(pipeline: Pipeline) -> Iterator[Reader]:
    """A reader that has not asked for anything yet."""
    stopping = Event()
    names = pipeline.kafka, pipeline.topic, pipeline.topic
    with closing(Database(pipeline.login, stopping)) as database:
        reader = Reader(*names, database=database, stopping=stopping, accept_loss=False)
        with closing(reader.client):
            yield reader


def read_until_drained(reader: Reader) -> None:
    """Read on until the database has all of the topic."""
    deadline = time.monotonic() + SECONDS
    while not reader.is_drained():
        assert time.monotonic() < deadline
        assert reader.read().size == 0
        if reader.positions.doubtful():
            reader.resume()


def test_a_topic_is_not_drained_before_its_log_was_compared(
    pipeline: Pipeline, member: Reader
) -> None:
    """A log that was truncated and written again may end at the same offset."""
    send(pipeline, pipeline.reading(0), pipeline.reading(1))
    pipeline.validate()
    pipeline.execute("UPDATE stream_offsets SET last_kafka_ms = last_kafka_ms - 1")
    with pytest.raises(StackError, match="written again"):
        read_until_drained(member)


@pytest.mark.parametrize(("aborted", "is_compared"), [(10, True), (MOST_READ_AGAIN, False)])
def test_many_offsets_without_a_record_are_not_read_again(
    pipeline: Pipeline,
    member: Reader,
    monkeypatch: pytest.MonkeyPatch,
    aborted: int,
    is_compared: bool,
) -> None:
    send(pipeline, pipeline.reading(0))
    names = {"bootstrap_servers": pipeline.kafka, "transactional_id": pipeline.topic}
    with closing(KafkaProducer(**names)) as producer:
        producer.init_transactions()
        producer.begin_transaction()
        for _ in range(aborted):
            producer.send(pipeline.topic, b"aborted", partition=0)
        producer.flush()
        producer.abort_transaction()
    pipeline.validate()
    end = 1 + aborted + 1  # the mark of the transaction
    stored = "SELECT last_offset, next_offset FROM stream_offsets WHERE partition = 0"
    assert pipeline.rows(stored) == [(0, end)]

    sought: list[tuple[int, int]] = []
    seek = member.client.seek

    def note_and_seek(partition: int, offset: int) -> bool:
        sought.append((partition, offset))
        return seek(partition, offset)

    monkeypatch.setattr(member.client, "seek", note_and_seek)
    read_until_drained(member)
    assert {offset for partition, offset in sought if partition == 0} == {0 if is_compared else end}


def test_a_log_that_is_cut_off_during_a_replay(
    stack: Stack, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No row of the records that were read is attributed to those that have replaced them."""
    send(pipeline, *map(pipeline.reading, range(3)))
    pipeline.validate()
    rows = 'SELECT "offset", time FROM sensor_readings WHERE topic = %s ORDER BY 1'
    before = pipeline.rows(rows)
    compare = Replay.refuse_another_log

    def compare_and_be_cut_off(
        replay: Replay, client: KafkaPythonClient, partition: int, stored: Offset
    ) -> None:
        compare(replay, client, partition, stored)
        if partition == 0:
            lose_the_end(stack, pipeline.topic, 0, 1)
            send(pipeline, *map(pipeline.reading, range(3, 7)))

    for name, value in pipeline.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(Replay, "refuse_another_log", compare_and_be_cut_off)
    with pytest.raises(StackError, match="was truncated before offset 3 and written again"):
        Replay(Settings(), pipeline.topic, None, dry_run=False, stopping=Event()).run()
    assert pipeline.rows(rows) == before
    assert pipeline.ledger() == (3, 3, 0)

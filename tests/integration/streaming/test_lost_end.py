"""Kafka's log was truncated and reuses offsets: detected even once it is as long as before."""

import signal
import time
from contextlib import closing
from struct import unpack_from
from threading import Event

import pytest
from kafka import KafkaProducer

from local_stack.stack import Stack
from pipeline_common.errors import StackError
from pipeline_common.settings import Settings
from streaming_pipeline import reader, topic_replay
from streaming_pipeline.client import Poll, Stretch
from streaming_pipeline.database import Database
from streaming_pipeline.kafka_python_client import KafkaPythonClient
from streaming_pipeline.kafka_topic import Topic, ensure_topic
from streaming_pipeline.reader import SILENCE_SECONDS, Reader
from streaming_pipeline.topic_replay import Replay
from tests.integration.streaming.conftest import SECONDS, Pipeline, ended

BATCH_HEAD = ">qi"  # of a record batch in Kafka's log: its first offset, the bytes that follow


def lose_the_end(stack: Stack, topic: str, partition: int, end: int) -> None:
    """Cut a partition's log off before offset `end`, as a disk does that loses its last writes."""
    stack.stop("my_kafka")
    folder = stack.folder / "data/kafka" / f"{topic}-{partition}"
    log = folder / f"{0:020}.log"
    data, position = log.read_bytes(), 0
    while position < len(data):
        first, size = unpack_from(BATCH_HEAD, data, position)
        if first >= end:
            break
        position += 12 + size
    with log.open("r+b") as file:
        file.truncate(position)
    for path in folder.iterdir():  # Kafka makes these again
        if path.suffix in (".index", ".timeindex", ".snapshot"):
            path.unlink()
    (folder.parent / ".kafka_cleanshutdown").unlink(missing_ok=True)
    stack.up("my_kafka")


def send(pipeline: Pipeline, *values: bytes) -> None:
    """Send values in a batch each, by a producer that knows nothing of what was sent before."""
    with closing(KafkaProducer(bootstrap_servers=pipeline.kafka)) as producer:
        for value in values:
            producer.send(pipeline.topic, value, partition=0).get(timeout=60)


def test_a_log_that_has_lost_its_end_gives_offsets_twice(stack: Stack, pipeline: Pipeline) -> None:
    first, again = pipeline.reading(0), pipeline.reading(0)
    send(pipeline, first, again, b"no JSON", pipeline.reading(3))
    pipeline.validate()
    assert pipeline.ledger() == (4, 3, 1)

    lose_the_end(stack, pipeline.topic, 0, 1)
    _, err = ended(pipeline.start_validator("--exit-when-idle", "0.5"), 1)
    assert "up to offset 4, but Kafka holds 0 to 1" in err
    _, err = ended(pipeline.start("streaming_pipeline/replay.py"), 1)
    assert "no longer holds all that was read of partition 0: nothing after offset 0" in err
    send(pipeline, again, b"no JSON either")  # at offsets that were read before
    pipeline.validate("--accept-loss")
    assert pipeline.ledger() == (7, 4, 3)  # reading 0 has come four times
    send(pipeline, pipeline.reading(4), pipeline.reading(5))
    pipeline.validate()
    assert pipeline.ledger() == (9, 6, 3)
    readings = 'SELECT "offset" FROM sensor_readings WHERE topic = %s ORDER BY time'
    assert pipeline.rows(readings) == [(0,), (3,), (3,), (4,)]

    out, _ = ended(pipeline.start("streaming_pipeline/replay.py"))
    assert "No record has moved." in out
    assert pipeline.ledger() == (9, 6, 3)


def test_a_log_that_has_lost_its_end_and_grown_again_is_noticed(
    stack: Stack, pipeline: Pipeline
) -> None:
    """No offset shows it: Kafka holds more of them than were read."""
    send(pipeline, pipeline.reading(0), b"no JSON", pipeline.reading(2))
    pipeline.validate()
    lose_the_end(stack, pipeline.topic, 0, 1)
    send(pipeline, *map(pipeline.reading, range(3, 7)))
    rows = 'SELECT "offset", time FROM sensor_readings WHERE topic = %s ORDER BY 2'
    before = pipeline.rows(rows)

    _, err = ended(pipeline.start_validator("--exit-when-idle", "0.5"), 1)
    assert "up to offset 3, but Kafka's log was truncated before that and written again" in err
    _, err = ended(pipeline.start("streaming_pipeline/replay.py"), 1)
    assert "its log was truncated before offset 3 and written again" in err
    assert pipeline.ledger() == (3, 3, 0)
    assert pipeline.rows(rows) == before

    pipeline.validate("--accept-loss")
    assert pipeline.ledger() == (8, 7, 1)  # reading 0 once more: a duplicate
    assert [offset for offset, _ in pipeline.rows(rows)] == [0, 2, 1, 2, 3, 4]
    pipeline.validate()
    out, _ = ended(pipeline.start("streaming_pipeline/replay.py"))
    assert "No record has moved." in out
    assert pipeline.ledger() == (8, 7, 1)


def test_a_validator_that_reads_notices_it_too(stack: Stack, pipeline: Pipeline) -> None:
    send(pipeline, pipeline.reading(0), pipeline.reading(1))
    validator = pipeline.start_validator()
    pipeline.wait_until_read(2)
    validator.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()
    lose_the_end(stack, pipeline.topic, 0, 1)
    send(pipeline, *map(pipeline.reading, range(2, 5)))
    while time.monotonic() - stopped < SILENCE_SECONDS + 1:  # where Kafka is as quick as that
        time.sleep(0.1)
    validator.send_signal(signal.SIGCONT)
    _, err = ended(validator, 1)
    assert "up to offset 2, but Kafka's log was truncated before that and written again" in err
    assert pipeline.ledger() == (2, 2, 0)


def test_that_kafka_is_slow_to_say_where_to_go_on_is_no_silence(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise everything would become doubtful again, and nothing would ever be read."""

    def be_slow(bootstrap: str, name: str) -> Topic:
        time.sleep(1.1)
        return ensure_topic(bootstrap, name)

    monkeypatch.setattr(reader, "SILENCE_SECONDS", 1.0)
    monkeypatch.setattr(reader, "ensure_topic", be_slow)
    send(pipeline, pipeline.reading(0))
    stopping, names = Event(), (pipeline.kafka, pipeline.topic, pipeline.topic)
    with closing(Database(pipeline.login, stopping)) as database:
        member = Reader(*names, database=database, stopping=stopping, accept_loss=False)
        with closing(member.client):
            deadline = time.monotonic() + SECONDS
            while not member.read().size:
                assert time.monotonic() < deadline
                if member.positions.doubtful():
                    member.resume()


class Pausing(KafkaPythonClient):
    """A client that pauses on its way through a batch to the offset that was sought."""

    sought: tuple[int, int] | None = None

    def seek(self, partition: int, offset: int) -> bool:
        self.sought = partition, offset
        return super().seek(partition, offset)

    def poll(self, seconds: float) -> Poll:
        if self.sought is None:
            return super().poll(seconds)
        (partition, offset), self.sought = self.sought, None
        return Poll(None, {partition: Stretch(offset, offset, [])})


@pytest.fixture
def pausing_replay(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Replay:
    """A replay of two records."""
    send(pipeline, pipeline.reading(0), pipeline.reading(1))
    pipeline.validate()
    for name, value in pipeline.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(topic_replay, "KafkaPythonClient", Pausing)
    return Replay(Settings(), pipeline.topic, None, dry_run=False, stopping=Event())


def test_a_replay_takes_a_pause_within_a_batch_for_nothing(pausing_replay: Replay) -> None:
    pausing_replay.run()
    assert (pausing_replay.totals, pausing_replay.moves) == ({"sensor_readings": 2}, {})


def test_a_replay_reads_on_until_it_has_come_to_the_last_record(
    pausing_replay: Replay, pipeline: Pipeline
) -> None:
    pipeline.execute("UPDATE stream_offsets SET last_kafka_ms = last_kafka_ms - 1")
    with pytest.raises(StackError, match="written again"):
        pausing_replay.run()

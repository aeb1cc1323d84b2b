"""Kafka has lost records: this is said, and --accept-loss goes on with what is there."""

import time
import uuid
from contextlib import closing
from datetime import timedelta
from struct import unpack_from
from threading import Event
from typing import Any

import psycopg2
import pytest
from kafka import KafkaProducer
from psycopg2.extensions import connection as Connection

from local_stack.stack import Stack
from streaming_pipeline import accepted_loss, offsets
from streaming_pipeline.accepted_loss import accept_loss
from streaming_pipeline.database import Database
from streaming_pipeline.kafka_topic import Topic
from streaming_pipeline.offsets import Offset
from streaming_pipeline.reader import Reader
from streaming_pipeline.revalidation import revalidate
from tests.integration.streaming.conftest import SECONDS, Pipeline, Table, ended

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
    pipeline.validate("--accept-loss")
    send(pipeline, again, b"no JSON either", pipeline.reading(4), pipeline.reading(5))
    pipeline.validate()
    assert pipeline.ledger() == (8, 6, 2)
    readings = 'SELECT "offset" FROM sensor_readings WHERE topic = %s ORDER BY time'
    assert pipeline.rows(readings) == [(0,), (3,), (3,), (4,)]

    out, _ = ended(pipeline.start("streaming_pipeline/replay.py"))
    assert "No record has moved." in out
    assert pipeline.ledger() == (8, 6, 2)


ROWS = """
SELECT topic_id::text, "offset" FROM sensor_readings WHERE topic IS NOT NULL
UNION ALL SELECT topic_id::text, "offset" FROM sensor_readings_invalid
UNION ALL SELECT topic_id::text, "offset" FROM stream_duplicates ORDER BY 2"""
OFFSETS = "SELECT topic_id::text, next_offset FROM stream_offsets ORDER BY partition"


def test_what_is_beyond_the_end_is_set_aside_in_steps(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepted_loss, "STEP", 2)
    same = table.reading(0)
    table.write(same, b"no JSON", same, table.reading(3), b"no JSON", same)
    table.write(same, partition=1)
    before = table.ledger("read", "valid", "invalid", "duplicate")
    assert accept_loss(table.writer.database, table.topic, 0, Offset(table.topic.id, 6), 1)
    rows = table.rows(ROWS)
    [lost_log] = {topic_id for topic_id, _ in rows} - {table.topic.id}
    assert [offset for topic_id, offset in rows if topic_id == table.topic.id] == [0, 0]
    assert [offset for topic_id, offset in rows if topic_id == lost_log] == [1, 2, 3, 4, 5]
    assert table.rows(OFFSETS)[0] == (table.topic.id, 1)
    assert table.ledger("read", "valid", "invalid", "duplicate") == before


SLOW = """
CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql
AS 'BEGIN PERFORM pg_sleep(0.02); RETURN NEW; END';
CREATE TRIGGER be_slow BEFORE UPDATE ON sensor_readings FOR EACH ROW EXECUTE FUNCTION be_slow()"""


def test_a_step_that_takes_too_long_is_halved(table: Table) -> None:
    table.write(*map(table.reading, range(300)))
    table.execute(SLOW)
    table.writer = table.new_writer(time_limit=2)  # and all of it takes 6 s
    seen = Offset(table.topic.id, 300)
    assert accept_loss(table.writer.database, table.topic, 0, seen, 1)
    rows = table.rows(ROWS)
    assert [offset for topic_id, offset in rows if topic_id == table.topic.id] == [0]
    assert [offset for _, offset in rows] == list(range(300))
    assert len({topic_id for topic_id, _ in rows}) == 2
    assert table.rows(OFFSETS)[0] == (table.topic.id, 1)
    assert table.ledger("read", "valid") == (300, 300)


def test_an_offset_that_has_expired_may_be_given_again(table: Table) -> None:
    then = table.begin - timedelta(days=40)
    table.write(table.reading(0, timestamp=then.isoformat()), kafka_time=then)
    table.execute("""CALL expire(0, '{"keep": "30 days"}')""")
    accept_loss(table.writer.database, table.topic, 0, Offset(table.topic.id, 1), 0)
    table.next[0] = 0
    batch = table.batch(table.reading(1)).validate({})
    table.writer.write(batch)
    table.execute("DELETE FROM sensor_readings WHERE topic IS NOT NULL")
    with closing(psycopg2.connect(**table.login)) as connection:
        assert len(revalidate(connection, batch).moves) == 1
    assert table.ledger("read", "valid", "expired") == (2, 1, 1)


@pytest.mark.parametrize("is_of_this_topic", [True, False])
def test_a_member_that_comes_too_late_accepts_nothing(table: Table, is_of_this_topic: bool) -> None:
    """What it has seen is no longer so: another member has accepted the loss and gone on."""
    table.write(table.reading(0), table.reading(1), table.reading(2))
    before = table.rows(OFFSETS), table.rows(ROWS)
    database, other = table.writer.database, Topic(table.topic.name, str(uuid.uuid4()))
    seen = Offset(table.topic.id, 5) if is_of_this_topic else Offset(other.id, 3)
    assert not accept_loss(database, table.topic, 0, seen, 1)
    assert (table.rows(OFFSETS), table.rows(ROWS)) == before


def test_the_database_is_asked_again_where_another_member_came_first(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping = Event()
    database = Database(pipeline.login, stopping)
    reader = Reader(
        pipeline.kafka,
        pipeline.topic,
        pipeline.topic,
        database=database,
        stopping=stopping,
        accept_loss=True,
    )
    pipeline.send(*map(pipeline.reading, range(3)))
    pipeline.producer.flush()
    of_another_topic = (pipeline.topic, 0, str(uuid.uuid4()), 7)
    pipeline.execute(f"INSERT INTO stream_offsets VALUES {of_another_topic}")

    enter = offsets.enter

    def enter_and_be_slow(connection: Connection, **arguments: Any) -> dict[int, Offset]:
        found = enter(connection, **arguments)
        pipeline.execute(
            f"UPDATE stream_offsets SET topic_id = '{reader.topic.id}', next_offset = 2"
        )
        return found

    with closing(database), closing(reader.client):
        deadline = time.monotonic() + SECONDS
        while not reader.positions.doubtful():
            assert time.monotonic() < deadline
            reader.read()
        monkeypatch.setattr(offsets, "enter", enter_and_be_slow)
        reader.resume()
        assert reader.positions.doubtful() == [0]
        monkeypatch.undo()
        reader.resume()
        assert reader.positions.known()[0] == 2

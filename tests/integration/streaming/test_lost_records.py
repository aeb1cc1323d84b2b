"""Kafka has lost records: the validator says so, and --accept-loss continues with the rest."""

import time
import uuid
from contextlib import closing
from datetime import timedelta
from threading import Event
from typing import Any

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection

from pipeline_common.errors import StackError
from streaming_pipeline import accepted_loss, offsets
from streaming_pipeline.accepted_loss import accept_loss
from streaming_pipeline.database import Database
from streaming_pipeline.kafka_topic import Topic
from streaming_pipeline.offsets import Offset
from streaming_pipeline.reader import Reader
from streaming_pipeline.record import UNREADABLE, Record
from streaming_pipeline.record_batch import Batch
from streaming_pipeline.revalidation import revalidate
from tests.integration.streaming.conftest import SECONDS, Pipeline, Table

ROWS = """
SELECT topic_id::text, "offset" FROM sensor_readings WHERE topic IS NOT NULL
UNION ALL SELECT topic_id::text, "offset" FROM sensor_readings_invalid
UNION ALL SELECT topic_id::text, "offset" FROM stream_duplicates ORDER BY 2"""
OFFSETS = "SELECT topic_id::text, next_offset FROM stream_offsets ORDER BY partition"
LAST = "SELECT next_offset, last_offset, last_kafka_ms FROM stream_offsets WHERE partition = 0"


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


REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'never'; END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON sensor_readings FOR EACH ROW EXECUTE FUNCTION refuse()"""


def test_what_the_database_refuses_is_said_and_nothing_moves(table: Table) -> None:
    table.write(*map(table.reading, range(4)))
    table.execute(REFUSE)
    before = table.rows(LAST), table.rows(ROWS)
    with pytest.raises(StackError, match="refuses to set rows aside: never"):
        accept_loss(table.writer.database, table.topic, 0, Offset(table.topic.id, 4), 1)
    assert (table.rows(LAST), table.rows(ROWS)) == before


def test_rows_beyond_the_offset_are_set_aside_too(table: Table) -> None:
    """After somebody has reset the offset: Kafka assigns their offsets again as well."""
    table.write(*map(table.reading, range(4)))
    table.execute("UPDATE stream_offsets SET next_offset = 2 WHERE partition = 0")
    assert accept_loss(table.writer.database, table.topic, 0, Offset(table.topic.id, 2), 1)
    kept = [topic_id == table.topic.id for topic_id, _ in table.rows(ROWS)]
    assert kept == [True, False, False, False]


class Killed(Exception):
    """Stands for the end of the process."""


def test_what_is_killed_half_way_is_noticed_again(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.write(*map(table.reading, range(4)))
    before = table.rows(LAST)
    do = table.writer.database.do
    done: list[Any] = []

    def do_once(action: Any) -> Any:
        if done:
            raise Killed
        done.append(action)
        return do(action)

    seen = Offset(table.topic.id, 4)
    with monkeypatch.context() as patch:
        patch.setattr(accepted_loss, "STEP", 2)
        patch.setattr(table.writer.database, "do", do_once)
        with pytest.raises(Killed):
            accept_loss(table.writer.database, table.topic, 0, seen, 0)
    assert table.rows(LAST) == before
    kept = [topic_id == table.topic.id for topic_id, _ in table.rows(ROWS)]
    assert kept == [True, True, False, False]

    assert accept_loss(table.writer.database, table.topic, 0, seen, 0)
    assert table.rows(LAST) == [(0, None, None)]
    assert table.topic.id not in {topic_id for topic_id, _ in table.rows(ROWS)}
    assert table.ledger("read", "valid") == (4, 4)


def test_the_last_record_is_that_of_the_last_batch_that_has_one(table: Table) -> None:
    table.write(table.reading(0), b"no JSON")
    kafka_ms = int(table.begin.timestamp() * 1000)
    assert table.rows(LAST) == [(2, 1, kafka_ms)]
    for next_offset, part in ((3, []), (4, [Record(0, 3, 9, False, None, b"", UNREADABLE)])):
        behind = {0: next_offset - 1}, {0: next_offset}
        table.writer.write(Batch(table.topic, {0: part}, *behind).validate({}))
        assert table.rows(LAST) == [(next_offset, 1, kafka_ms)]


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
    """What it has read is outdated: another member has accepted the loss and continued."""
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

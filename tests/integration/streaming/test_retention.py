"""Retention counts the rows that it deletes, so the ledger still balances."""

from contextlib import closing
from datetime import timedelta

import psycopg2

from streaming_pipeline.record_batch import Batch
from streaming_pipeline.revalidation import Revalidated, revalidate
from tests.integration.streaming.conftest import Table

EXPIRE = """CALL expire(0, '{"keep": "30 days"}')"""


def write_old_and_new(table: Table) -> None:
    """Two readings and a record in quarantine of 40 days ago, and as many of now."""
    for then in (table.begin - timedelta(days=40), table.begin):
        values = [
            table.reading(number, timestamp=(then + timedelta(seconds=number)).isoformat())
            for number in range(2)
        ]
        table.write(*values, b"no JSON", kafka_time=then)


def test_expired_readings_are_in_the_ledger(table: Table) -> None:
    write_old_and_new(table)
    assert table.ledger("read", "valid", "invalid", "expired") == (6, 4, 2, 0)
    table.execute(EXPIRE)
    assert table.ledger("read", "valid", "invalid", "expired") == (6, 2, 2, 2)
    table.execute(EXPIRE)
    assert table.ledger("expired") == (2,)


def test_quarantine_expires_by_the_time_of_arrival_not_by_kafkas(table: Table) -> None:
    batch = table.batch(b"no JSON", kafka_time=table.begin - timedelta(days=40))
    batch.received_ms -= 50 * 24 * 60 * 60 * 1000
    table.writer.write(batch.validate({}))
    table.write(b"no JSON", kafka_time=table.begin - timedelta(days=20_000))
    table.execute(EXPIRE)
    assert table.quarantine() == [(1, ["not_json"])]
    assert table.ledger("read", "invalid", "expired") == (2, 1, 1)


def replayed(table: Table, batch: Batch) -> Revalidated:
    """What a replay does with a batch, which needs to be validated no more."""
    with closing(psycopg2.connect(**table.login)) as connection:
        return revalidate(connection, batch)


def test_a_replay_does_not_bring_back_what_has_expired(table: Table) -> None:
    then = table.begin - timedelta(days=40)
    batch = table.batch(table.reading(0, timestamp=then.isoformat()), kafka_time=then)
    table.writer.write(batch.validate({}))
    table.execute(EXPIRE)
    done = replayed(table, batch)
    assert (done.moves, done.counts) == ([], {})
    assert table.ledger("read", "valid", "expired") == (1, 0, 1)


def test_nor_a_reading_that_kafka_got_after_the_limit(table: Table) -> None:
    """A chunk ends at midnight: the reading was made before it, and sent after it."""
    midnight = table.begin.replace(hour=0, minute=0, second=0) - timedelta(days=40)
    made, sent = midnight - timedelta(minutes=10), midnight + timedelta(minutes=10)
    batch = table.batch(table.reading(0, timestamp=made.isoformat()), kafka_time=sent)
    table.writer.write(batch.validate({}))
    table.execute(EXPIRE)
    done = replayed(table, batch)
    assert (done.moves, done.counts) == ([], {})
    assert table.ledger("read", "valid", "expired") == (1, 0, 1)


def test_nor_a_record_whose_kafka_timestamp_is_in_the_future(table: Table) -> None:
    batch = table.batch(b"no JSON", kafka_time=table.begin + timedelta(days=300))
    batch.received_ms -= 50 * 24 * 60 * 60 * 1000
    table.writer.write(batch.validate({}))
    table.execute(EXPIRE)
    done = replayed(table, batch)
    assert (done.moves, done.counts) == ([], {})
    assert table.ledger("read", "invalid", "expired") == (1, 0, 1)


def test_nor_by_way_of_a_duplicate_or_a_conflict(table: Table) -> None:
    """The reading with their key has expired; they must not be stored in its place."""
    then = table.begin - timedelta(days=40)
    made = then.isoformat()
    values = [table.reading(0, timestamp=made, humidity=humidity) for humidity in (50, 50, 51)]
    batch = table.batch(*values, kafka_time=then)
    table.writer.write(batch.validate({}))
    table.execute(EXPIRE)
    done = replayed(table, batch)
    assert (done.moves, done.counts) == ([], {"duplicate": 1, "quarantine": 1})
    ledger = ("read", "valid", "invalid", "duplicate", "expired")
    assert table.ledger(*ledger) == (3, 0, 1, 1, 1)


def test_what_was_deleted_by_hand_comes_back_though_others_have_expired(table: Table) -> None:
    write_old_and_new(table)
    table.execute(EXPIRE)
    table.execute("DELETE FROM sensor_readings WHERE topic IS NOT NULL")
    table.execute('DELETE FROM sensor_readings_invalid WHERE kafka_ms > 0 AND "offset" = 5')
    values = [
        table.reading(n, timestamp=(table.begin + timedelta(seconds=n)).isoformat()) for n in (0, 1)
    ]
    table.next[0] = 3
    again = table.batch(*values, b"no JSON")
    assert len(replayed(table, again).moves) == 3
    assert table.ledger("read", "valid", "invalid", "expired") == (6, 2, 2, 2)

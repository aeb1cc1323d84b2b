"""The writer on its own: record objects in, rows out."""

import json
import time
from contextlib import closing
from datetime import timedelta
from threading import Thread

import psycopg2
import pytest

from streaming_pipeline.database import transaction
from streaming_pipeline.offsets import Fenced
from tests.databases import as_admin
from tests.integration.streaming.conftest import Table

CHUNKS = "SELECT count(*) FROM timescaledb_information.chunks"
SLOW = """
CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql
AS 'BEGIN PERFORM pg_sleep(0.02); RETURN NEW; END';
CREATE TRIGGER be_slow BEFORE INSERT ON sensor_readings FOR EACH ROW EXECUTE FUNCTION be_slow()"""


def test_a_server_that_does_not_answer_is_given_up(table: Table) -> None:
    """No timeout of the server ends this."""
    with closing(psycopg2.connect(**table.login)) as connection:
        with (
            pytest.raises(psycopg2.errors.QueryCanceled, match="not done in 1 s"),
            transaction(connection, cut_after=1) as cursor,
        ):
            cursor.execute("SELECT pg_sleep(600)")
        assert connection.closed


def test_kafka_timestamps_on_many_days_make_no_chunk_each(table: Table) -> None:
    before = table.rows(CHUNKS)
    for day in range(-500, 500, 10):
        then = table.begin + timedelta(days=20 * day)
        mine, wrong = table.reading(day, timestamp=then.isoformat()), b"no JSON"
        table.write(mine, wrong, kafka_time=then)
    assert table.ledger("read", "valid", "invalid") == (200, 1, 199)
    assert table.rows(CHUNKS) <= [(before[0][0] + 2,)]


def test_quarantine_keeps_the_kafka_timestamp_and_the_time_of_arrival(table: Table) -> None:
    batch = table.batch(b"no JSON", kafka_time=table.begin - timedelta(days=20_000))
    table.writer.write(batch.validate({}))
    [record] = batch.records[0]
    query = (
        "SELECT kafka_ms, (extract(epoch FROM time) * 1000)::bigint FROM sensor_readings_invalid"
    )
    assert table.rows(query) == [(record.kafka_ms, batch.received_ms)]


def test_a_batch_that_takes_too_long_is_written_in_parts(table: Table) -> None:
    table.execute(SLOW)
    table.writer = table.new_writer(time_limit=2)
    table.write(*[table.reading(number) for number in range(300)])  # 6 s
    assert table.ledger("read", "valid") == (300, 300)
    assert table.totals == {"valid": 300, "invalid": 0, "duplicate": 0}
    transactions = table.rows(
        "SELECT count(DISTINCT xmin::text) FROM sensor_readings WHERE topic IS NOT NULL"
    )
    assert transactions > [(2,)]


def test_a_batch_that_needs_more_temporary_files_than_allowed_is_written_in_parts(
    table: Table,
) -> None:
    """A limit of the server's configuration, SQLSTATE 53400: waiting does not help."""
    table.write(*map(table.reading, range(2000)))
    name = table.login["dbname"]
    for setting in ("work_mem = '64kB'", "temp_file_limit = '128kB'"):
        table.execute(f"ALTER DATABASE {name} SET {setting}")
    table.writer.database.close()
    again = map(table.reading, range(2000))  # they are sorted, on their way through staging
    writing = Thread(target=table.write, args=again, daemon=True)
    writing.start()
    writing.join(120)
    assert not writing.is_alive(), "it is tried again, for ever"
    assert table.ledger("read", "valid", "duplicate") == (4000, 2000, 2000)


def test_a_batch_on_an_old_offset_is_not_written(table: Table) -> None:
    batch = table.batch(table.reading(1), table.reading(2)).validate({})
    table.writer.write(batch)
    with pytest.raises(Fenced):
        table.writer.write(batch)
    assert table.ledger("valid") == (2,)


def test_numbers_of_unknown_fields_keep_every_digit(table: Table) -> None:
    number = "0.1234567890123456789012345678901234567890"
    value = table.reading(1, note="?").replace(b'"?"', number.encode())
    table.write(value)
    assert table.rows("SELECT extra ->> 'note' FROM sensor_readings WHERE extra IS NOT NULL") == [
        (number,)
    ]


def test_readings_that_differ_beyond_a_double_are_no_duplicates(table: Table) -> None:
    values = [
        table.reading(1, note="?").replace(b'"?"', number)
        for number in (b"0.12345678901234567890", b"0.12345678901234567891", b"1.0", b"1.00")
    ]
    table.write(*values[:2])
    assert table.quarantine() == [(1, ["conflict"])]


def test_a_timestamp_finer_than_microseconds_is_kept_as_sent(table: Table) -> None:
    sent = [f"{table.begin:%Y-%m-%dT%H:%M:%S}.123456{digit}Z" for digit in (1, 2)]
    table.write(*[table.reading(1, timestamp=timestamp) for timestamp in [*sent, sent[0]]])
    kept = table.rows("SELECT extra ->> 'timestamp' FROM sensor_readings WHERE extra IS NOT NULL")
    assert kept == [(sent[0],)]
    assert table.quarantine() == [(1, ["conflict"])]
    assert table.ledger("duplicate") == (1,)


def test_equal_json_numbers_and_another_order_of_keys_are_a_duplicate(table: Table) -> None:
    first = table.reading(1, a=1.50, b=[1, 2])
    second = json.dumps(dict(reversed(json.loads(first).items()))).replace("1.5", "1.50")
    table.write(first, second.encode())
    assert table.ledger("valid", "duplicate") == (1, 1)


def test_a_database_that_is_read_only_for_a_while_is_waited_for(
    table: Table, caplog: pytest.LogCaptureFixture
) -> None:
    """As after a failover, until the standby is promoted."""
    table.write(table.reading(1))
    name = table.login["dbname"]
    table.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    table.writer.database.close()
    waiting = Thread(target=table.write, args=[table.reading(2)])
    waiting.start()
    deadline = time.monotonic() + 60
    while "waiting for it" not in caplog.text:
        assert waiting.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with closing(psycopg2.connect(**as_admin(table.login))) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("SET default_transaction_read_only = off")
        cursor.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    waiting.join(60)
    assert table.ledger("read", "valid") == (2, 2)

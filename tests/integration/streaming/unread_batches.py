"""A record batch that cannot be read, and the same when it can: as objects, no Kafka is needed."""

import struct
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace

import psycopg2

from streaming_pipeline.record import UNREADABLE, Record
from streaming_pipeline.record_batch import Batch
from streaming_pipeline.revalidation import Revalidated, revalidate
from tests.integration.streaming.conftest import Table

LEDGER = ("read", "valid", "invalid", "duplicate")


def head(base: int, last: int) -> bytes:
    """The beginning of a record batch in format 2."""
    return struct.pack(">qiibihi", base, 9999, 0, 2, 0, 0, last - base) + b"and what it holds"


def unreadable(table: Table, first: int, base: int, last: int) -> Batch:
    """The batch from `base` to `last`, of which nothing from `first` on can be read."""
    kafka_ms = int(table.begin.timestamp() * 1000)
    fault = Record(0, first, kafka_ms, False, None, head(base, last), UNREADABLE)
    return Batch(table.topic, {0: [fault]}, {0: first}, {0: last + 1})


def readable(table: Table, first: int, last: int, gaps: Iterable[int] = ()) -> Batch:
    """The same with each record: a reading, a duplicate of it, one that is no JSON, by turns."""
    values = [
        b"no JSON" if number % 3 == 2 else table.reading(number - number % 3)
        for number in range(first, last + 1)
    ]
    table.next[0] = first
    batch = table.batch(*values)
    batch.records[0] = [record for record in batch.records[0] if record.offset not in gaps]
    return batch


def part(batch: Batch, first: int, after: int) -> Batch:
    """Of a batch, the stretch from `first` up to before `after`."""
    records = [record for record in batch.records[0] if first <= record.offset < after]
    return replace(batch, records={0: records}, expected={0: first}, after={0: after})


def replayed(table: Table, batch: Batch, dry_run: bool = False) -> Revalidated:
    with closing(psycopg2.connect(**table.login)) as connection:
        return revalidate(connection, batch, dry_run)


def write_unread(table: Table) -> None:
    """Six records in a batch that cannot be read, and a reading behind them."""
    table.writer.write(unreadable(table, 0, 0, 5).validate({}))
    table.next[0] = 6
    table.write(table.reading(6))
    assert table.ledger(*LEDGER) == (2, 1, 1, 0)

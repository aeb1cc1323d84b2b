"""The check after each drill: every acknowledged record is in the database exactly once."""

import json
from collections import Counter
from contextlib import closing
from datetime import datetime
from typing import Any, NamedTuple

import psycopg2

from tests.faults.stream_records import Sent
from tests.faults.stream_run import Origin, Run


class Ledger(NamedTuple):
    """Records of one run by what became of them."""

    records_in: int
    valid: int
    invalid: int
    duplicate: int
    lost: int
    doubled: int
    wrong: int


class Stored(NamedTuple):
    """What the database has of one topic: rows by origin (partition, offset), and its counts."""

    valid: list[tuple[Origin, tuple[Any, ...]]]
    invalid: list[tuple[Origin, bytes | None]]
    records: int
    duplicates: int


def stored(run: Run) -> Stored:
    """Read everything that the database holds of the run's topic."""
    with closing(psycopg2.connect(**run.database)) as connection, connection.cursor() as cursor:
        cursor.execute(
            'SELECT partition, "offset", sensor_id, time, temperature, humidity, pressure, location'
            " FROM sensor_readings WHERE topic = %s",
            (run.topic,),
        )
        valid = [((row[0], row[1]), row[2:]) for row in cursor.fetchall()]
        cursor.execute(
            'SELECT partition, "offset", raw FROM sensor_readings_invalid WHERE topic = %s',
            (run.topic,),
        )
        invalid = [
            ((row[0], row[1]), None if row[2] is None else bytes(row[2]))
            for row in cursor.fetchall()
        ]
        cursor.execute(
            "SELECT coalesce(sum(records), 0)::bigint, coalesce(sum(duplicates), 0)::bigint"
            " FROM stream_offsets WHERE topic = %s",
            (run.topic,),
        )
        records, duplicates = cursor.fetchone() or (0, 0)
    return Stored(valid, invalid, records, duplicates)


def check(run: Run) -> Ledger:
    """Compare the database with what Kafka acknowledged, row for row.

    A valid record must be the row of its own partition and offset, with its own values; an invalid
    one must be in quarantine, byte for byte; a duplicate in neither, but counted.
    """
    has = stored(run)
    expected = _kinds(run.acknowledged)
    origins = Counter(origin for origin, _ in [*has.valid, *has.invalid])
    doubled = sum(count - 1 for count in origins.values())
    wanted = {origin for origin, kind in expected.items() if kind != "duplicate"}
    duplicates = len(expected) - len(wanted)
    lost = len(wanted - origins.keys()) + max(duplicates - has.duplicates, 0)
    doubled += len(origins.keys() - wanted) + max(has.duplicates - duplicates, 0)
    wrong = sum(_values(run.acknowledged[o]) != row for o, row in has.valid if o in wanted)
    wrong += sum(run.acknowledged[o].value != raw for o, raw in has.invalid if o in wanted)
    wrong += sum(expected.get(origin) != "valid" for origin, _ in has.valid)
    wrong += has.records != len(expected)
    return Ledger(
        len(expected), len(has.valid), len(has.invalid), has.duplicates, lost, doubled, wrong
    )


def _kinds(acknowledged: dict[Origin, Sent]) -> dict[Origin, str]:
    """The kind of each record, where the first of equal readings is the valid one."""
    seen: set[bytes | None] = set()
    kinds = {}
    for origin, sent in sorted(acknowledged.items()):
        if sent.kind == "invalid":
            kinds[origin] = "invalid"
        else:
            kinds[origin] = "duplicate" if sent.value in seen else "valid"
            seen.add(sent.value)
    return kinds


def _values(sent: Sent) -> tuple[Any, ...]:
    fields = json.loads(sent.value or b"")
    fields["timestamp"] = datetime.fromisoformat(fields["timestamp"])
    return tuple(fields.values())

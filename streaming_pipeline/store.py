"""The database side of the stream: rows and offsets in one transaction, or neither."""

import logging
from collections import Counter
from collections.abc import Iterable
from io import BytesIO
from typing import Any, NamedTuple

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from streaming_pipeline import offsets
from streaming_pipeline.batch import Batch
from streaming_pipeline.database import transaction
from streaming_pipeline.rows import (
    HEADER,
    READING_COLUMNS,
    REJECTION_COLUMNS,
    TRAILER,
    Origin,
    origin_of,
    say_the_same,
)

#: What a CHECK, a foreign key, a column's type or a trigger of the user's own says to a row.
ROW_REFUSED = (psycopg2.DataError, psycopg2.IntegrityError, psycopg2.errors.RaiseException)

MAKE_STAGING = """
CREATE TEMP TABLE IF NOT EXISTS staging (
    time timestamptz, sensor_id text COLLATE "C", temperature double precision,
    humidity double precision, pressure double precision, location text, extra jsonb,
    topic text, topic_id uuid, partition integer, "offset" bigint
) ON COMMIT DELETE ROWS"""

# What the unique key (sensor_id, time) refuses comes back as partition and offset. Sorted, so that
# of two readings with the same key the earlier one in their partition counts.
INSERT_READINGS = f"""
WITH stored AS (
    INSERT INTO sensor_readings ({READING_COLUMNS})
    SELECT {READING_COLUMNS} FROM staging ORDER BY partition, "offset"
    ON CONFLICT (sensor_id, time) DO NOTHING RETURNING partition, "offset"
)
SELECT partition, "offset" FROM staging LEFT JOIN stored USING (partition, "offset")
WHERE stored.partition IS NULL"""  # noqa: S608 - made of constants

# Of those refused: which say something else than the reading that is already there?
FIND_CONFLICTS = """
SELECT s.partition, s."offset"
FROM (VALUES %s) AS refused (partition, "offset")
JOIN staging s USING (partition, "offset")
JOIN sensor_readings r ON r.sensor_id = s.sensor_id AND r.time = s.time
WHERE r.time BETWEEN (SELECT min(time) FROM staging) AND (SELECT max(time) FROM staging)
  AND (r.temperature, r.humidity, r.pressure, r.location, r.extra)
      IS DISTINCT FROM (s.temperature, s.humidity, s.pressure, s.location, s.extra)"""

# Tries each row by itself and takes it back: for a batch of which the database refuses some.
FIND_REFUSED = f"""
CREATE TEMP TABLE IF NOT EXISTS refused (partition integer, "offset" bigint) ON COMMIT DELETE ROWS;
DELETE FROM refused;
DO $try$
DECLARE
    reading staging;
    fits boolean;
BEGIN
    FOR reading IN SELECT * FROM staging LOOP
        BEGIN
            INSERT INTO sensor_readings ({READING_COLUMNS})
            SELECT (reading).* ON CONFLICT (sensor_id, time) DO NOTHING;
            RAISE EXCEPTION USING ERRCODE = 'TAKEN';
        EXCEPTION
            WHEN SQLSTATE 'TAKEN' THEN fits := true;
            WHEN data_exception OR integrity_constraint_violation OR raise_exception THEN
                fits := false;
        END;
        IF NOT fits THEN
            INSERT INTO refused VALUES (reading.partition, reading."offset");
        END IF;
    END LOOP;
END $try$;
SELECT partition, "offset" FROM refused"""  # noqa: S608 - made of constants

INSERT_DUPLICATES = 'INSERT INTO stream_duplicates (topic, topic_id, partition, "offset") VALUES %s'

log = logging.getLogger("stream")


class Refused(NamedTuple):
    """Readings that did not enter sensor_readings."""

    duplicates: set[Origin]
    reasons: dict[Origin, str]  # why the others go to quarantine

    def __add__(self, other: Any) -> "Refused":
        return Refused(self.duplicates | other.duplicates, self.reasons | other.reasons)


class Counts(NamedTuple):
    """What became of a batch's records."""

    valid: int
    invalid: int
    duplicates: dict[int, int]  # by partition


def write(connection: Connection, batch: Batch) -> Counts:
    """Store a batch and move the offsets in one transaction; raises Fenced, or psycopg2.Error."""
    with transaction(connection) as cursor:
        offsets.lock(cursor, batch.topic, batch.expected)
        counts = store(cursor, batch)
        offsets.advance(cursor, batch, counts.duplicates)
    return counts


def store(cursor: Cursor, batch: Batch) -> Counts:
    """Store a batch's rows: readings, duplicates, rejections and what the database refuses."""
    refused = store_readings(cursor, batch)
    rejections = batch.rejections
    if refused.reasons:
        rejections = rejections + batch.refused(refused.reasons)
    copy(cursor, f"sensor_readings_invalid ({REJECTION_COLUMNS})", rejections)
    duplicates = [(*batch.topic, *origin) for origin in refused.duplicates]
    execute_values(cursor, INSERT_DUPLICATES, duplicates, page_size=1000)
    return Counts(
        valid=len(batch.readings)
        + len(batch.repeated)
        - len(refused.duplicates)
        - len(refused.reasons),
        invalid=len(rejections),
        duplicates=Counter(partition for partition, _ in refused.duplicates),
    )


def store_readings(cursor: Cursor, batch: Batch) -> Refused:
    """Store readings straight, by COPY; if the database refuses one, start again, carefully."""
    cursor.execute(f"{MAKE_STAGING}; SAVEPOINT straight")
    try:
        stored = copy(cursor, f"sensor_readings ({READING_COLUMNS})", batch.readings.values())
        all_in = stored == len(batch.readings)  # a trigger can drop rows without a word
    except ROW_REFUSED:  # its key is there already, or a constraint is against it
        all_in = False
    if not all_in:
        cursor.execute("ROLLBACK TO SAVEPOINT straight")
        return store_carefully(cursor, batch.all_readings())
    same = {origin_of(row) for first, row in batch.repeated if say_the_same(first, row)}
    others = [row for _, row in batch.repeated if origin_of(row) not in same]
    return Refused(same, {}) + store_carefully(cursor, others)


def store_carefully(cursor: Cursor, rows: list[bytes]) -> Refused:
    """Store readings by way of a staging table; those that the database refuses stay out."""
    if not rows:
        return Refused(set(), {})
    cursor.execute("SAVEPOINT readings")
    try:
        refused = insert(cursor, rows)
        conflicts = find_conflicts(cursor, refused)
    except ROW_REFUSED as error:
        cursor.execute("ROLLBACK TO SAVEPOINT readings")
        log.warning("the database refuses rows: %s", str(error).splitlines()[0])
        stage(cursor, rows)
        cursor.execute(FIND_REFUSED)
        bad = set(cursor.fetchall())
        if not bad:  # it is not the rows
            raise
        good = store_carefully(cursor, [row for row in rows if origin_of(row) not in bad])
        return good + Refused(set(), dict.fromkeys(bad, "rejected_by_database"))
    cursor.execute("RELEASE SAVEPOINT readings")
    return Refused(refused - conflicts.keys(), conflicts)


def insert(cursor: Cursor, rows: list[bytes]) -> set[Origin]:
    """Insert readings; those whose key is there already."""
    stage(cursor, rows)
    cursor.execute(INSERT_READINGS)
    return set(cursor.fetchall())


def stage(cursor: Cursor, rows: list[bytes]) -> None:
    """Put readings, and nothing else, into the staging table."""
    cursor.execute("DELETE FROM staging")
    copy(cursor, f"staging ({READING_COLUMNS})", rows)


def find_conflicts(cursor: Cursor, refused: set[Origin]) -> dict[Origin, str]:
    """Refused readings whose values differ from those stored."""
    if not refused:
        return {}
    rows = execute_values(cursor, FIND_CONFLICTS, refused, page_size=len(refused), fetch=True)
    return dict.fromkeys(rows, "conflict")


def copy(cursor: Cursor, target: str, rows: Iterable[bytes]) -> int:
    """COPY rows into `target`, a table with its columns; how many it has stored."""
    data = b"".join((HEADER, *rows, TRAILER))
    # In one piece: between two, the thread would have to wait for its turn in Python.
    cursor.copy_expert(f"COPY {target} FROM STDIN (FORMAT binary)", BytesIO(data), size=len(data))
    return cursor.rowcount

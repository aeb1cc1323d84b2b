"""Moves rows to the table where their records belong now.

Only rows that change are written; the others stay as they are, even in compressed chunks.
"""

from typing import Any

from psycopg2.extensions import cursor as Cursor

from pipeline_common.sql_files import read_sql
from streaming_pipeline import store
from streaming_pipeline.kafka_topic import Topic
from streaming_pipeline.places import INVALID, VALID, Place
from streaming_pipeline.rows import Invalid, Valid
from streaming_pipeline.rules import RULE_VERSION
from streaming_pipeline.store import Outcomes


def put_readings(
    cursor: Cursor,
    topic: Topic,
    these: dict[str, Any],
    before: dict[int, Place],
    readings: list[Valid],
) -> tuple[set[int], Outcomes]:
    """Insert readings into sensor_readings, and delete those that are no longer valid.

    Returns the offsets of later readings that were deleted in their favour, and the outcomes of
    those that were not inserted.
    """
    made_room: set[int] = set()
    unchanged: set[int] = set()
    if readings:
        cursor.execute(read_sql("stream/make_staging"))
        store.stage(cursor, topic, readings)
        made_room = fetch(cursor, "stream/make_room", these | store.bounds(readings))
        unchanged = fetch(cursor, "stream/find_unchanged", store.bounds(readings))
    stored = {offset: place for offset, place in before.items() if place.table == VALID}
    delete(cursor, "stream/delete_readings", these, stored, stored.keys() - unchanged - made_room)
    changed = [reading for reading in readings if reading[0].offset not in unchanged]
    if not changed:
        return made_room, {}
    store.stage(cursor, topic, changed)
    # Checked first, since an INSERT decompresses rows of its chunk even if the key exists already.
    taken = {
        origin: outcome
        for origin, outcome in store.find_outcomes(cursor, changed).items()
        if outcome != store.DROPPED
    }
    others = [reading for reading in changed if store.origin_of(reading) not in taken]
    return made_room, taken | store.store_carefully(cursor, topic, others)


def put_rejections(
    cursor: Cursor,
    topic: Topic,
    these: dict[str, Any],
    before: dict[int, Place],
    rejections: list[Invalid],
) -> None:
    """Quarantine records; delete the rows of those that left or have other reasons now."""
    quarantined = {offset: place for offset, place in before.items() if place.table == INVALID}
    unchanged = {
        record.offset
        for record, rejection, _ in rejections
        if (place := quarantined.get(record.offset))
        and (place.issues, place.rule_version) == (rejection.issues, RULE_VERSION)
    }
    delete(cursor, "stream/delete_rejections", these, quarantined, quarantined.keys() - unchanged)
    changed = [rejection for rejection in rejections if rejection[0].offset not in unchanged]
    store.insert_rejections(cursor, topic, changed)


def put_duplicates(
    cursor: Cursor, topic: Topic, these: dict[str, Any], had: set[int], wanted: set[int]
) -> None:
    """Insert the records that are duplicates now, delete those that no longer are."""
    if had - wanted:
        parameters = these | {"offsets": list(had - wanted)}
        cursor.execute(read_sql("stream/delete_duplicates"), parameters)
    new = [(these["partition"], offset) for offset in wanted - had]
    store.insert_duplicates(cursor, topic, new)


def delete(
    cursor: Cursor, query: str, these: dict[str, Any], rows: dict[int, Place], offsets: set[int]
) -> None:
    """Delete the rows of some offsets; the bounds of their times enable chunk exclusion."""
    places = [rows[offset] for offset in offsets]
    if not places:
        return
    times = [place.time for place in places if place.time]
    sensors = list({place.sensor_id for place in places})
    bounds = {"first": min(times), "last": max(times), "sensors": sensors}
    cursor.execute(read_sql(query), these | bounds | {"offsets": list(offsets)})


def fetch(cursor: Cursor, query: str, parameters: dict[str, Any]) -> set[int]:
    """The offsets that a query returns, as a set."""
    cursor.execute(read_sql(query), parameters)
    return {offset for (offset,) in cursor}

"""Graders of the exercises of course page 3, whose texts are in page_3.py."""

import itertools
import json
import time
from contextlib import closing
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from lab.exercises.exercise import Lab, Row, expect, expect_object, expect_view, rows
from pipeline_common.console import counted
from pipeline_common.sql_files import read_sql
from python_scripts.kafka_views import members_of, offsets

PARTITIONS = read_sql("lab/sensor_partitions")
ANOTHER_SENSOR = read_sql("lab/another_sensor")
RECORDS = read_sql("lab/records_by_partition")
ANOTHER_DUPLICATE = read_sql("lab/another_duplicate")
POISON = read_sql("lab/poison")
TWICE = "SELECT count(*) FROM sensor_readings WHERE topic = %(topic)s AND sensor_id = 'lab_twice'"
DUPLICATES = read_sql("lab/duplicates")
WAITED = read_sql("lab/rejected_after_waiting")
POSITIONS = "SELECT partition, next_offset FROM stream_offsets WHERE topic = %(topic)s"
READ = "SELECT coalesce(sum(records), 0)::bigint FROM stream_offsets WHERE topic = %(topic)s"
MINUTES = read_sql("lab/readings_by_minute")
COUNTED = "SELECT partition, records FROM lab.counted WHERE records > 0"
FULL_MINUTES = read_sql("lab/full_minutes")


def held(lab: Lab) -> dict[int, tuple[int, int]]:
    """The first offset that Kafka holds, and the end, of each partition that ever had a record."""
    with lab.kafka() as admin:
        found = offsets(admin, [lab.topic])
    return {part.partition: range_ for part, range_ in found.items() if range_[1]}


def ends(lab: Lab) -> dict[int, int]:
    """How many records Kafka has ever taken, of each partition that had any."""
    return {partition: end for partition, (_, end) in held(lab).items()}


def per_partition(found: list[Row]) -> dict[int, int]:
    """Rows of a partition and a number."""
    return {partition: number for partition, number in found}


def record(lab: Lab, partition: int, offset: int) -> bytes | None:
    """A record's value as Kafka holds it; None if it does not, or if the value is null."""
    part = TopicPartition(lab.topic, partition)
    bootstrap = lab.settings.kafka_bootstrap_servers
    with closing(KafkaConsumer(bootstrap_servers=bootstrap, max_poll_records=1)) as consumer:
        consumer.assign([part])
        if offset >= consumer.end_offsets([part])[part]:
            return None
        consumer.seek(part, offset)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            for found in consumer.poll(500).get(part, []):
                return found.value if found.offset == offset else None
    return None


def grade_partitions(lab: Lab) -> None:
    """The view says which partition each sensor is in."""
    with lab.looking("timeseries_db") as cursor:
        expect(rows(cursor, PARTITIONS, topic=lab.topic), "No reading has come from Kafka yet.")
    expect_view(
        lab, "timeseries_db", "lab.sensor_partitions", PARTITIONS, ANOTHER_SENSOR, topic=lab.topic
    )


def grade_records(lab: Lab) -> None:
    """The view finds every record of Kafka in one of the three tables."""
    sent = ends(lab)
    expect(sent, f"Topic {lab.topic} is empty.")
    with lab.looking("timeseries_db") as cursor:
        expect_object(cursor, "timeseries_db", "lab.records")
        stored = per_partition(rows(cursor, RECORDS, topic=lab.topic))
    expect(stored == sent, "The database does not hold every record that Kafka has.")
    expect_view(lab, "timeseries_db", "lab.records", RECORDS, ANOTHER_DUPLICATE, topic=lab.topic)


def grade_members(lab: Lab) -> None:
    """The group has two members or more, and each reads a partition that has records."""
    sent = ends(lab)
    with lab.kafka() as admin:
        members = members_of(admin, lab.group)
    useful = sum(bool(partitions_of(member) & sent.keys()) for member in members)
    expect(len(members) > 1, f"The group {lab.group} has {counted(len(members), 'member')} now.")
    expect(
        useful == len(members),
        f"Members of the group: {len(members)}; with records in their partitions: {useful}.",
    )


def partitions_of(member: dict[str, Any]) -> set[int]:
    """The partitions that a member of a group reads; none while the group rebalances."""
    assigned = member["member_assignment"]
    topics = assigned["assigned_partitions"] if assigned else []
    return {partition for topic in topics for partition in topic["partitions"]}


def grade_poison(lab: Lab) -> None:
    """A record with the key lab is in quarantine, byte for byte as Kafka holds it."""
    with lab.looking("timeseries_db") as cursor:
        found = rows(cursor, POISON, topic=lab.topic)
    expect(found, "No record with the key lab is in quarantine as not_json.")
    same = [raw is not None and bytes(raw) == record(lab, *origin) for *origin, raw in found]
    expect(any(same), "Kafka holds no such record: it was not sent.")


def grade_duplicate(lab: Lab) -> None:
    """The sensor's reading is stored once, and a second one was found to be a duplicate."""
    with lab.looking("timeseries_db") as cursor:
        stored = rows(cursor, TWICE, topic=lab.topic)[0][0]
        duplicates = rows(cursor, DUPLICATES, topic=lab.topic)
    expect(stored == 1, f"lab_twice has {counted(stored, 'reading')} in sensor_readings.")
    sensors = [sensor_of(record(lab, *origin)) for origin in duplicates]
    expect("lab_twice" in sensors, "No duplicate in stream_duplicates is a reading of lab_twice.")


def sensor_of(value: bytes | None) -> object:
    """The sensor that a record names, if it does."""
    try:
        return json.loads(value or b"{}").get("sensor_id")
    except (ValueError, AttributeError):
        return None


def grade_catch_up(lab: Lab) -> None:
    """Records waited for a validator, which then read them all, and the ledger balances."""
    with lab.looking("timeseries_db") as cursor:
        waited = rows(cursor, WAITED, topic=lab.topic)[0][0]
        read = {part: end for part, end in rows(cursor, POSITIONS, topic=lab.topic) if end}
        records = rows(cursor, READ, topic=lab.topic)[0][0]
        stored = sum(count for _, count in rows(cursor, RECORDS, topic=lab.topic))
    expect(waited >= 5, f"Rejected records that waited for 30 seconds or more: {waited}.")
    behind = sum(ends(lab).values()) - sum(read.values())
    expect(not behind, f"The validator is {counted(behind, 'record')} behind.")
    expect(records == stored, f"Records read: {records}; stored: {stored}.")


def grade_topic(lab: Lab) -> None:
    """The topic has twelve partitions and keeps its records for an hour."""
    with lab.kafka() as admin:
        expect("lab_hour" in admin.list_topics(), "Kafka has no topic lab_hour.")
        partitions = len(admin.describe_topics(["lab_hour"])[0]["partitions"])
        topic = ConfigResource(ConfigResourceType.TOPIC, "lab_hour")
        settings = admin.describe_configs([topic], config_filter="all")["topic"]["lab_hour"]
    expect(partitions == 12, f"lab_hour has {counted(partitions, 'partition')}.")
    keeps = int(settings["retention.ms"]["value"])
    expect(keeps == 3_600_000, f"lab_hour keeps its records for {keeps} ms.")


def grade_own_group(lab: Lab) -> None:
    """The group lab_counter has read everything and counted it."""
    kafka = held(lab)
    expect(kafka, f"Topic {lab.topic} is empty.")
    with lab.kafka() as admin:
        known = [group["group_id"] for group in admin.list_groups()]
        expect("lab_counter" in known, "Kafka has no consumer group lab_counter.")
        committed = admin.list_group_offsets("lab_counter")["lab_counter"]
    read = {
        part.partition: position.offset
        for part, position in committed.items()
        if part.topic == lab.topic and position.offset > 0
    }
    expect(
        read == {partition: end for partition, (_, end) in kafka.items()},
        "lab_counter has not committed the end of every partition with records.",
    )
    sent = {partition: end - first for partition, (first, end) in kafka.items() if end > first}
    with lab.looking("timeseries_db") as cursor:
        expect_object(cursor, "timeseries_db", "lab.counted")
        counted = per_partition(rows(cursor, COUNTED))
    expect(counted == sent, "lab.counted does not hold the number of records of each partition.")


def grade_faster_stream(lab: Lab) -> None:
    """One full minute has half as many readings again as the full minute before it."""
    with lab.looking("timeseries_db") as cursor:
        minutes = rows(cursor, FULL_MINUTES, topic=lab.topic)
    raised = [
        (before, after)
        for (_, before), (_, after) in itertools.pairwise(minutes)
        if before >= 100 and after >= 1.5 * before
    ]
    expect(
        raised,
        f"Of {len(minutes)} full minutes, none has 1.5 times the readings of the one before, "
        "which has to have 100.",
    )
    expect_view(lab, "timeseries_db", "lab.per_minute", MINUTES, ANOTHER_SENSOR, topic=lab.topic)

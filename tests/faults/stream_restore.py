"""The worst that can happen to the database: it is lost, and restored from its backup."""

import shutil
import time
from contextlib import closing
from datetime import datetime, timezone

import psycopg2
from kafka import KafkaAdminClient, TopicPartition

from backup.__main__ import back_up, restore
from backup.places import Processes
from tests.databases import archive_wal
from tests.faults.stream_lab import Lab


def lose_database(lab: Lab, pause: float) -> None:
    """kill -9 TimescaleDB and delete its data; restore it to a moment before.

    Kafka deletes the records that the database had stored by then: only the archive has them.
    """
    service, place = "my_timescaledb", Processes(lab.stack)
    lab.say(f"base backup of {service}")
    back_up(place, [service])
    time.sleep(pause)
    stored = stored_offsets(lab)
    moment = datetime.now(timezone.utc)
    time.sleep(pause)
    archive_wal(lab.stack.settings.timescale)
    time.sleep(pause)  # what is stored now is archived nowhere
    lab.say(f"kill -9 of {service}, and its data folder is deleted")
    lab.stack.kill(service)
    data = lab.folder / "stack/data/timescaledb"
    while data.exists():  # supervisord starts it again meanwhile
        shutil.rmtree(data, ignore_errors=True)
    with closing(KafkaAdminClient(bootstrap_servers=lab.kafka)) as admin:
        admin.delete_records(stored)
    lab.say(f"restoring it to {moment:%H:%M:%S}; Kafka has nothing from before")
    restore(place, [service], moment)


def stored_offsets(lab: Lab) -> dict[TopicPartition, int]:
    """Where the database of the restore drill stands, once every run has stored something."""
    login = lab.stack.settings.timescale | {"dbname": "drill_restore"}
    query = "SELECT topic, partition, next_offset FROM stream_offsets WHERE records > 0"
    deadline = time.monotonic() + 240
    with closing(psycopg2.connect(**login)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        while True:
            cursor.execute(query)
            found = {TopicPartition(topic, number): after for topic, number, after in cursor}
            if len({partition.topic for partition in found}) == len(lab.kafka_proxies):
                return found
            assert time.monotonic() < deadline, "not every run has stored something"
            time.sleep(0.1)

"""Rung 2: many records, one transaction; what is no reading is rejected, with its bytes and why.

Fixed:  the speed, and the poison record.
Wrong:  Kafka's client still commits the position automatically, also that of records that only this
        process's memory holds: a crash loses them, and one after the write repeats the others.
Fails:  before, after, zombie
"""

import argparse
import time
from typing import Any

import psycopg2
from kafka import KafkaConsumer
from psycopg2.extras import execute_values

from lab.ladder.reading import GROUP, KAFKA, TOPIC, TOTALS, by_sensor, split

BATCH = 500  # records
SECONDS = 1.0  # before a smaller batch is written too


def write(connection: Any, batch: list[Any]) -> None:
    """Store the batch in one transaction."""
    readings, rejected = split(batch)
    with connection, connection.cursor() as cursor:
        execute_values(cursor, "INSERT INTO readings VALUES %s", readings)
        execute_values(cursor, "INSERT INTO rejected VALUES %s", rejected)
        execute_values(cursor, TOTALS, by_sensor(readings))


def main() -> None:
    """Read until Ctrl-C."""
    connection = psycopg2.connect("")
    consumer = KafkaConsumer(
        TOPIC,
        bootstrap_servers=KAFKA,
        group_id=GROUP,
        auto_offset_reset="earliest",
        auto_commit_interval_ms=500,
        session_timeout_ms=10_000,
    )
    batch: list[Any] = []
    count, written = 0, time.monotonic()
    try:
        while True:
            for records in consumer.poll(timeout_ms=100, max_records=BATCH).values():
                batch += records
            if len(batch) >= BATCH or (batch and time.monotonic() > written + SECONDS):
                write(connection, batch)
                count += len(batch)
                batch, written = [], time.monotonic()
    except KeyboardInterrupt:
        write(connection, batch)
        print(f"records stored: {count + len(batch)}")
    finally:
        consumer.close()


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    main()

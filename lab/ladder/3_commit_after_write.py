"""Rung 3: the position is committed after the rows are: at least once.

Fixed:  nothing is lost. What a crash leaves uncommitted is read again.
Wrong:  what was written and not yet committed to Kafka is written again (doubled). The same happens
        to a process that was paused, or that lost its partitions, between the two commits.
Fails:  after, zombie
"""

import argparse
from typing import Any

import psycopg2
from kafka import KafkaConsumer
from psycopg2.extras import execute_values

from lab.ladder.reading import GROUP, KAFKA, TOPIC, TOTALS, by_sensor, split


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
        enable_auto_commit=False,
        session_timeout_ms=10_000,
    )
    count = 0
    try:
        while True:
            polled = consumer.poll(timeout_ms=1000, max_records=500)
            if batch := [record for records in polled.values() for record in records]:
                write(connection, batch)
                consumer.commit()  # raises if the group has given the partitions away meanwhile
                count += len(batch)
    except KeyboardInterrupt:
        print(f"records stored: {count}")
    finally:
        consumer.close()


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    main()

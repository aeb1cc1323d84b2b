"""Rung 4: the same, and a unique key: what is written again is already there.

Fixed:  no row is doubled. The database refuses the second copy, whoever writes it.
Wrong:  what is derived from a batch is applied again: the totals count a repeated batch twice. To
        count only what RETURNING gives would fix these totals, not the next e-mail or API call.
Fails:  after, zombie (the totals are wrong, the rows are right)
"""

import argparse
from typing import Any

import psycopg2
from kafka import KafkaConsumer
from psycopg2.extras import execute_values

from lab.ladder.reading import GROUP, KAFKA, TOPIC, TOTALS, by_sensor, split

KEYS = """
    CREATE UNIQUE INDEX IF NOT EXISTS readings_key ON readings (partition, "offset");
    CREATE UNIQUE INDEX IF NOT EXISTS rejected_key ON rejected (partition, "offset")"""
READINGS = "INSERT INTO readings VALUES %s ON CONFLICT DO NOTHING"
REJECTED = "INSERT INTO rejected VALUES %s ON CONFLICT DO NOTHING"


def write(connection: Any, batch: list[Any]) -> None:
    """Store the batch in one transaction."""
    readings, rejected = split(batch)
    with connection, connection.cursor() as cursor:
        execute_values(cursor, READINGS, readings)
        execute_values(cursor, REJECTED, rejected)
        execute_values(cursor, TOTALS, by_sensor(readings))


def main() -> None:
    """Read until Ctrl-C."""
    connection = psycopg2.connect("")
    with connection, connection.cursor() as cursor:
        cursor.execute(KEYS)
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

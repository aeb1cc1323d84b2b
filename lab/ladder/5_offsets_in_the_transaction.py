"""Rung 5: rows and position in one transaction: exactly once, as stream_validator.py does it.

Fixed:  a crash rolls back both or neither; a process that was paused, or lost its partitions, finds
        that the stored position has moved, and its whole transaction is refused.
Fails:  nothing
"""

import argparse
from typing import Any

import psycopg2
from kafka import ConsumerRebalanceListener, KafkaConsumer
from psycopg2.extras import execute_values

from lab.ladder.reading import GROUP, KAFKA, TOPIC, TOTALS, by_sensor, split

ADVANCE = """
    INSERT INTO positions VALUES (%(p)s, %(next)s)
    ON CONFLICT (partition) DO UPDATE SET "offset" = %(next)s
    WHERE positions."offset" = %(known)s"""


class Positions(ConsumerRebalanceListener):  # type: ignore[misc]
    """Starts each partition at the position that the database has, not at Kafka's."""

    def __init__(self, connection: Any, consumer: Any) -> None:
        self.connection, self.consumer = connection, consumer
        self.known: dict[int, int] = {}

    def on_partitions_revoked(self, revoked: Any) -> None:
        """Nothing to do: what has been polled is stored by now."""

    def on_partitions_assigned(self, assigned: Any) -> None:
        """Ask the database where to resume."""
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute('SELECT partition, "offset" FROM positions')
            self.known = dict(cursor.fetchall())
        for partition in assigned:
            self.consumer.seek(partition, self.known.get(partition.partition, 0))


def write(connection: Any, batch: list[Any], known: dict[int, int]) -> None:
    """Store the batch and its positions, or, if another process has moved one, nothing."""
    ends = {record.partition: record.offset + 1 for record in batch}
    readings, rejected = split(batch)
    with connection, connection.cursor() as cursor:
        for partition, end in ends.items():
            cursor.execute(ADVANCE, {"p": partition, "next": end, "known": known.get(partition, 0)})
            if not cursor.rowcount:
                raise SystemExit(f"partition {partition} belongs to another consumer now")
        execute_values(cursor, "INSERT INTO readings VALUES %s", readings)
        execute_values(cursor, "INSERT INTO rejected VALUES %s", rejected)
        execute_values(cursor, TOTALS, by_sensor(readings))
    known.update(ends)


def main() -> None:
    """Read until Ctrl-C."""
    connection = psycopg2.connect("")
    consumer = KafkaConsumer(
        bootstrap_servers=KAFKA, group_id=GROUP, enable_auto_commit=False, session_timeout_ms=10_000
    )
    positions = Positions(connection, consumer)
    consumer.subscribe([TOPIC], listener=positions)
    count = 0
    try:
        while True:
            polled = consumer.poll(timeout_ms=1000, max_records=500)
            if batch := [record for records in polled.values() for record in records]:
                write(connection, batch, positions.known)
                count += len(batch)
    except KeyboardInterrupt:
        print(f"records stored: {count}")
    finally:
        consumer.close()


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    main()

"""confluent-kafka and COPY, as an engineer writes it in an afternoon: at least once.

Repeated readings meet the unique key; nobody counts them, and repeated faulty records are stored
twice. A record that the database refuses ends it.
"""

import csv
import io
import sys
from typing import Any

import psycopg2
from confluent_kafka import Consumer

from pipeline_common.settings import Settings
from tests.benchmarks.stream.peers.validated import (
    INVALID,
    MAKE_STAGING,
    STORE_STAGED,
    VALID,
    Record,
    Row,
    columns,
    validated,
)


def copy(cursor: Any, table: str, rows: list[Row]) -> None:
    """COPY the rows into a table."""
    file = io.StringIO()
    writer = csv.writer(file)
    for row in rows:
        writer.writerow(map(as_text, row.values()))
    file.seek(0)
    cursor.copy_expert(f"COPY {table} ({columns(rows[0])}) FROM STDIN (FORMAT csv)", file)


def as_text(value: Any) -> Any:
    """A value as PostgreSQL reads it."""
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    return f"{{{','.join(value)}}}" if isinstance(value, list | tuple) else value


def main(topic: str) -> None:
    settings = Settings()
    connection = psycopg2.connect(**settings.timescale)
    with connection, connection.cursor() as cursor:
        cursor.execute(MAKE_STAGING)
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            "group.id": f"confluent-{topic}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])
    while True:
        items = [
            validated(
                Record(topic, m.partition(), m.offset(), m.timestamp()[1], m.key(), m.value())
            )
            for m in consumer.consume(10_000, timeout=0.2)
            if not m.error()
        ]
        if not items:
            continue
        with connection, connection.cursor() as cursor:
            if valid := [row for table, row in items if table == VALID]:
                copy(cursor, "incoming", valid)
                cursor.execute(STORE_STAGED)
            if invalid := [row for table, row in items if table == INVALID]:
                copy(cursor, INVALID, invalid)
        consumer.commit(asynchronous=False)


if __name__ == "__main__":
    main(sys.argv[1])

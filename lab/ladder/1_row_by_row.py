"""Rung 1: one record, one INSERT, both sides on autocommit. The consumer of most tutorials.

Right:  every record is written before the next one is read.
Wrong:  a round trip and a transaction for each record are slow. Kafka learns of the position every
        5 s only, so a crash repeats up to 5 s of rows (doubled). One record that is not a reading
        ends the process, again after each restart: its partition is stuck for good (lost).
Fails:  poison, before, after, zombie
"""

import argparse

import psycopg2
from kafka import KafkaConsumer

from lab.ladder.reading import GROUP, KAFKA, TOPIC, parse

WRITE = """
    WITH reading AS (INSERT INTO readings VALUES (%s, %s, %s, %s, %s) RETURNING sensor_id)
    INSERT INTO totals SELECT sensor_id, 1 FROM reading
    ON CONFLICT (sensor_id) DO UPDATE SET readings = totals.readings + 1"""


def main() -> None:
    """Read until Ctrl-C."""
    connection = psycopg2.connect("")
    connection.autocommit = True
    cursor = connection.cursor()
    consumer = KafkaConsumer(
        TOPIC,
        bootstrap_servers=KAFKA,
        group_id=GROUP,
        auto_offset_reset="earliest",
        session_timeout_ms=10_000,
    )
    count = 0
    try:
        for record in consumer:
            sensor, time, temperature = parse(record.value)
            cursor.execute(WRITE, [record.partition, record.offset, sensor, time, temperature])
            count += 1
    except KeyboardInterrupt:
        print(f"records stored: {count}")
    finally:
        consumer.close()


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    main()

"""One INSERT per record with autocommit, duplicates remembered in memory.

kafka-python commits offsets every 5 s: after a crash, the records since the last commit are read
again, and duplicates are stored, or rejected with an error that ends it.
"""

import sys

import psycopg2
from kafka import KafkaConsumer

from pipeline_common.settings import Settings
from tests.benchmarks.stream.peers.validated import VALID, Record, columns, validated


def main(topic: str) -> None:
    settings = Settings()
    connection = psycopg2.connect(**settings.timescale)
    connection.autocommit = True
    cursor = connection.cursor()
    seen = set()
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=settings.kafka_bootstrap_servers,
        group_id=f"naive-{topic}",
        auto_offset_reset="earliest",
    )
    for r in consumer:
        table, row = validated(Record(topic, r.partition, r.offset, r.timestamp, r.key, r.value))
        if table == VALID:
            if (row["sensor_id"], row["time"]) in seen:
                continue
            seen.add((row["sensor_id"], row["time"]))
        marks = ", ".join(["%s"] * len(row))
        insert = f"INSERT INTO {table} ({columns(row)}) VALUES ({marks})"
        cursor.execute(insert, list(row.values()))


if __name__ == "__main__":
    main(sys.argv[1])

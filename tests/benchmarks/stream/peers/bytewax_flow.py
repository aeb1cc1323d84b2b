"""Bytewax with a sink of our own, as it has none for PostgreSQL: at least once, too."""

import sys
from typing import Any

import bytewax.operators as op
import psycopg2
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import cluster_main
from psycopg2.extras import execute_values

from pipeline_common.settings import Settings
from tests.benchmarks.stream.peers.validated import INVALID, VALID, Record, Row, columns, validated

settings = Settings()


class Tables(StatelessSinkPartition):  # type: ignore[misc]
    """Writes each batch that Bytewax hands over in one transaction."""

    def __init__(self) -> None:
        self.connection = psycopg2.connect(**settings.timescale)

    def write_batch(self, items: list[tuple[str, Row]]) -> None:
        with self.connection, self.connection.cursor() as cursor:
            for table in (VALID, INVALID):
                if rows := [row for name, row in items if name == table]:
                    insert = (
                        f"INSERT INTO {table} ({columns(rows[0])}) VALUES %s ON CONFLICT DO NOTHING"
                    )
                    values = [tuple(row.values()) for row in rows]
                    execute_values(cursor, insert, values, page_size=5000)


class Sink(DynamicSink):  # type: ignore[misc]
    """One writer for each worker."""

    def build(self, *_: object) -> Tables:
        return Tables()


def to_row(message: Any) -> tuple[str, Row]:
    m = message
    return validated(Record(m.topic, m.partition, m.offset, m.timestamp[1], m.key, m.value))


def main(topic: str) -> None:
    flow = Dataflow("bench")
    source = KafkaSource([settings.kafka_bootstrap_servers], [topic], batch_size=5000)
    rows = op.map("validate", op.input("kafka", flow, source), to_row)
    op.output("tables", rows, Sink())
    cluster_main(flow, [], 0)


if __name__ == "__main__":
    main(sys.argv[1])

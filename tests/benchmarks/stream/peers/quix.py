"""Quix Streams with its own PostgreSQL sink: at least once, repeated readings change nothing."""

import sys
from typing import Any

from quixstreams import Application, message_context
from quixstreams.sinks.community.postgresql import PostgreSQLSink

from pipeline_common.settings import Settings
from tests.benchmarks.stream.peers.validated import INVALID, VALID, Record, Row, validated


def main(topic: str) -> None:
    settings = Settings()

    def to_row(value: bytes, key: bytes, kafka_ms: int, _headers: object) -> Row:
        where = message_context()
        record = Record(topic, where.partition, where.offset, kafka_ms, key, value)
        table, row = validated(record)
        if issues := row.get("issues"):
            row["issues"] = f"{{{','.join(issues)}}}"  # the sink makes JSON of lists
        return {"table": table} | row

    def sink(table: str) -> Any:
        return PostgreSQLSink(
            **settings.timescale,
            table_name=table,
            schema_auto_update=False,
            include_metadata=False,
            on_conflict_do_nothing=True,
        )

    app = Application(
        broker_address=settings.kafka_bootstrap_servers,
        consumer_group=f"quix-{topic}",
        auto_offset_reset="earliest",
    )
    source = app.topic(topic, value_deserializer="bytes", key_deserializer="bytes")
    rows = app.dataframe(source).apply(to_row, metadata=True)
    for table in (VALID, INVALID):
        rows[rows["table"] == table].drop("table").sink(sink(table))
    app.run()


if __name__ == "__main__":
    main(sys.argv[1])

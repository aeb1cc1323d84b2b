"""Kafka Connect with Debezium's JDBC sink, the general-purpose shipper: it validates nothing.

It puts each record as text into a table of its own, `landing`; SQL would have to validate it there.
The key (topic, partition, offset) makes a repeated write change nothing.

    python -m tests.benchmarks.stream.peers.kafka_connect TOPIC FOLDER_OF_JARS
"""

import os
import sys
import tempfile
from pathlib import Path

from pipeline_common.settings import PROJECT_FOLDER, Settings
from tests.own_stack import free_ports

BATCH = 5000  # ten times its default, which is slower


def worker(settings: Settings, folder: Path) -> dict[str, object]:
    """Kafka Connect's own settings, for one process that keeps its state in a file."""
    return {
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
        "offset.storage.file.filename": folder / "offsets",
        "listeners": f"http://127.0.0.1:{free_ports(1)[0]}",
        "consumer.max.poll.records": BATCH,
    }


def sink(settings: Settings, topic: str) -> dict[str, object]:
    """The connector: from the topic into the table."""
    address = f"{settings.timescale_host}:{settings.timescale_port}/{settings.timescale_database}"
    return {
        "name": "sink",
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
        "tasks.max": 1,
        "topics": topic,
        "connection.url": f"jdbc:postgresql://{address}?reWriteBatchedInserts=true",
        "connection.username": settings.timescale_user,
        "connection.password": settings.timescale_password,
        "collection.name.format": "landing",
        "insert.mode": "upsert",
        "primary.key.mode": "kafka",
        "schema.evolution": "basic",
        "batch.size": BATCH,
        # The sink wants a record with fields: put the text into one.
        "transforms": "hoist",
        "transforms.hoist.type": "org.apache.kafka.connect.transforms.HoistField$Value",
        "transforms.hoist.field": "raw",
    }


def main(topic: str, jars: str) -> None:
    settings, folder = Settings(), Path(tempfile.mkdtemp(prefix="kafka-connect-"))
    files = {"worker": worker(settings, folder), "sink": sink(settings, topic)}
    for name, values in files.items():
        text = "".join(f"{key}={value}\n" for key, value in values.items())
        (folder / f"{name}.properties").write_text(text)
    log4j = PROJECT_FOLDER / "local_stack/log4j.properties"
    flags = ["-Xmx1g", f"-Dlog4j.configuration=file:{log4j}", "-cp", f"{jars}/*"]
    main_class = "org.apache.kafka.connect.cli.ConnectStandalone"
    configuration = [str(folder / f"{name}.properties") for name in files]
    os.execvp("java", ["java", *flags, main_class, *configuration])


if __name__ == "__main__":
    main(*sys.argv[1:])

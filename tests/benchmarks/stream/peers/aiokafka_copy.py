"""aiokafka and asyncpg's COPY, one task that reads, validates and stores: at least once.

As confluent_copy.py in all else.
"""

import asyncio
import sys

import asyncpg
from aiokafka import AIOKafkaConsumer

from pipeline_common.settings import Settings
from tests.benchmarks.stream.peers.validated import (
    INVALID,
    MAKE_STAGING,
    STORE_STAGED,
    VALID,
    Record,
    Row,
    validated,
)


async def copy(connection: asyncpg.Connection, table: str, rows: list[Row]) -> None:
    """COPY the rows into a table."""
    values = [tuple(row.values()) for row in rows]
    await connection.copy_records_to_table(table, records=values, columns=list(rows[0]))


async def main(topic: str) -> None:
    settings = Settings()
    login = settings.timescale
    connection = await asyncpg.connect(database=login.pop("dbname"), **login)
    await connection.execute(MAKE_STAGING)
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=settings.kafka_bootstrap_servers,
        group_id=f"aiokafka-{topic}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    while True:
        polled = await consumer.getmany(timeout_ms=200, max_records=10_000)
        items = [
            validated(Record(topic, r.partition, r.offset, r.timestamp, r.key, r.value))
            for records in polled.values()
            for r in records
        ]
        if not items:
            continue
        async with connection.transaction():
            if valid := [row for table, row in items if table == VALID]:
                await copy(connection, "incoming", valid)
                await connection.execute(STORE_STAGED)
            if invalid := [row for table, row in items if table == INVALID]:
                await copy(connection, INVALID, invalid)
        await consumer.commit()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

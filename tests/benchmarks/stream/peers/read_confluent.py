"""Only read the topic to its end with confluent-kafka, a client in C."""

import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from pipeline_common.settings import Settings


def main(topic: str) -> None:
    servers = Settings().kafka_bootstrap_servers
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "bench"})
    numbers = consumer.list_topics(topic).topics[topic].partitions
    parts = [TopicPartition(topic, number, OFFSET_BEGINNING) for number in numbers]
    marks = [consumer.get_watermark_offsets(part) for part in parts]
    left = sum(high - low for low, high in marks)
    consumer.assign(parts)
    while left > 0:
        records = consumer.consume(10_000, timeout=0.5)
        left -= sum(1 for record in records if record.error() is None and record.value())


if __name__ == "__main__":
    main(sys.argv[1])

"""Only read the topic to its end with the validator's client; --validate: validate it, too."""

import sys

from kafka import KafkaConsumer, TopicPartition

from pipeline_common.settings import Settings
from streaming_pipeline.kafka_python_client import SETTINGS
from streaming_pipeline.quick_path import validate


def main(topic: str, validating: bool) -> None:
    bootstrap = Settings().kafka_bootstrap_servers
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, max_poll_records=20_000, **SETTINGS)
    parts = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
    consumer.assign(parts)
    consumer.seek_to_beginning()
    left = sum(consumer.end_offsets(parts).values()) - sum(map(consumer.position, parts))
    while left > 0:
        for records in consumer.poll(timeout_ms=500).values():
            left -= len(records)
            if validating:
                for record in records:
                    validate(record.value, record.key, record.timestamp, record.timestamp)


if __name__ == "__main__":
    main(sys.argv[1], "--validate" in sys.argv)

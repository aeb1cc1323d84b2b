"""Only read the topic to its end with kafka-python, the validator's client; --judge: judge too."""

import sys

from kafka import KafkaConsumer, TopicPartition

from pipeline_common.settings import Settings
from streaming_pipeline.kafka_python_client import SETTINGS
from streaming_pipeline.quick_path import validate


def main(topic: str, judging: bool) -> None:
    bootstrap = Settings().kafka_bootstrap_servers
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, max_poll_records=20_000, **SETTINGS)
    parts = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
    consumer.assign(parts)
    consumer.seek_to_beginning()
    left = sum(consumer.end_offsets(parts).values()) - sum(map(consumer.position, parts))
    while left > 0:
        for records in consumer.poll(timeout_ms=500).values():
            left -= len(records)
            if judging:
                for record in records:
                    validate(record.value, record.key, record.timestamp, record.timestamp)


if __name__ == "__main__":
    main(sys.argv[1], "--judge" in sys.argv)

"""Only read the topic to its end with kafka-python, the validator's client; --judge: judge too."""

import sys

from kafka import KafkaConsumer, TopicPartition

from pipeline_settings import Settings
from streaming_pipeline.kafka_topic import READING
from streaming_pipeline.rules import judge


def main(topic: str, judging: bool) -> None:
    consumer = KafkaConsumer(bootstrap_servers=Settings().kafka_bootstrap_servers, **READING)
    parts = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
    consumer.assign(parts)
    consumer.seek_to_beginning()
    left = sum(consumer.end_offsets(parts).values()) - sum(map(consumer.position, parts))
    while left > 0:
        for records in consumer.poll(timeout_ms=500).values():
            left -= len(records)
            if judging:
                for record in records:
                    judge(record.value, record.key, record.timestamp)


if __name__ == "__main__":
    main(sys.argv[1], "--judge" in sys.argv)

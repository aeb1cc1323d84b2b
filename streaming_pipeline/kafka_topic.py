"""What simulator and validator both need of Kafka: the topic, made if it is missing."""

from contextlib import suppress
from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import TopicAlreadyExistsError

from pipeline_settings import SENSOR_TOPIC_PARTITIONS


def ensure_topic(bootstrap: str, topic: str) -> str:
    """Make the topic if it is missing; return Kafka's id of it, new for each topic made.

    Raises KafkaError if no broker answers.
    """
    admin = KafkaAdminClient(bootstrap_servers=bootstrap, bootstrap_timeout_ms=5000)
    try:
        if topic not in admin.list_topics():
            partitions = {"num_partitions": SENSOR_TOPIC_PARTITIONS}
            with suppress(TopicAlreadyExistsError):  # the other script was quicker
                admin.create_topics({topic: partitions}, wait_for_metadata=True)
        described: dict[str, Any] = admin.describe_topics([topic])[0]
        return str(described["topic_id"])
    finally:
        admin.close()

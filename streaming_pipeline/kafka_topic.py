"""What simulator, validator and replay need of Kafka: the topic, and how it is read."""

from contextlib import suppress
from typing import Any, NamedTuple

from kafka import KafkaAdminClient
from kafka.errors import InvalidTopicError, TopicAlreadyExistsError

from pipeline_console import StackError
from pipeline_settings import SENSOR_TOPIC_PARTITIONS

#: For every consumer: we say ourselves from where to read, and a batch fits into memory: 2 MB, or
#: 20,000 records if they are small.
READING = {
    "enable_auto_commit": False,
    "auto_offset_reset": "earliest",  # the default, "latest", skips what was sent before
    "max_poll_records": 20_000,
    "fetch_max_bytes": 2 * 1024 * 1024,
    "metrics_enabled": False,
    "reconnect_backoff_max_ms": 2000,
}


class Topic(NamedTuple):
    """A topic; its id is Kafka's own: one that was deleted and made anew has another."""

    name: str
    id: str


def ensure_topic(bootstrap: str, name: str) -> Topic:
    """Make the topic if it is missing.

    Raises KafkaError if no broker answers, StackError if Kafka does not take the name.
    """
    admin = KafkaAdminClient(bootstrap_servers=bootstrap, bootstrap_timeout_ms=5000)
    try:
        if name not in admin.list_topics():
            partitions = {"num_partitions": SENSOR_TOPIC_PARTITIONS}
            with suppress(TopicAlreadyExistsError):  # the other script was quicker
                admin.create_topics({name: partitions}, wait_for_metadata=True)
        described: dict[str, Any] = admin.describe_topics([name])[0]
        return Topic(name, str(described["topic_id"]))
    except InvalidTopicError as error:
        raise StackError(
            f"Kafka takes no topic of the name {name!r}: letters, digits, '.', '_' and '-' only."
        ) from error
    finally:
        admin.close()

"""The topic that simulator, validator and replay use."""

from contextlib import closing, suppress
from typing import Any, NamedTuple

from kafka import KafkaAdminClient
from kafka.errors import InvalidTopicError, TopicAlreadyExistsError, for_code
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from pipeline_common.errors import StackError
from pipeline_common.settings import SENSOR_TOPIC, SENSOR_TOPIC_PARTITIONS

ANSWER_MS = 5000
NO_TOPICS_SECONDS = 5.0


class Topic(NamedTuple):
    """A topic; Kafka assigns its id, and a recreated topic gets a new one."""

    name: str
    id: str


def ensure_topic(bootstrap: str, name: str) -> Topic:
    """Find the topic; only the default one is created if missing, so a mistyped name is reported.

    Raises KafkaError if no broker answers, StackError if there is no such topic.
    """
    with closing(_admin(bootstrap)) as admin:
        try:
            topics = _topics(admin)
            if name not in topics:
                if name != SENSOR_TOPIC:
                    raise StackError(_no_topic(name, topics))
                _make(admin, name)
            described: dict[str, Any] = admin.describe_topics([name])[0]
            if described["error_code"]:  # a broker that has just started may not know it yet
                raise for_code(described["error_code"])(name)
        except InvalidTopicError as error:
            raise StackError(_no_topic(name, topics)) from error
    return Topic(name, str(described["topic_id"]))


def _topics(admin: KafkaAdminClient) -> list[str]:
    """The names of the topics; a broker that has just started may not know any yet."""
    asking = Retrying(
        retry=retry_if_result(lambda topics: not topics),
        wait=wait_fixed(0.2),
        stop=stop_after_delay(NO_TOPICS_SECONDS),
        retry_error_callback=lambda _: [],
    )
    topics: list[str] = asking(admin.list_topics)
    return topics


def make_topic(bootstrap: str, name: str) -> None:
    """Create a topic like the default one, unless it exists."""
    with closing(_admin(bootstrap)) as admin:
        _make(admin, name)


def _make(admin: KafkaAdminClient, name: str) -> None:
    layout = {name: {"num_partitions": SENSOR_TOPIC_PARTITIONS}}
    with suppress(TopicAlreadyExistsError):  # the other script was faster
        admin.create_topics(layout, wait_for_metadata=True)


def _admin(bootstrap: str) -> KafkaAdminClient:
    try:
        return KafkaAdminClient(bootstrap_servers=bootstrap, bootstrap_timeout_ms=ANSWER_MS)
    except ValueError as error:
        raise StackError(
            f"Kafka at {bootstrap}: that is not an address ({error}). "
            "KAFKA_BOOTSTRAP_SERVERS is host:port, or several with commas between them."
        ) from error


def _no_topic(name: str, topics: list[str]) -> str:
    has = ", ".join(sorted(topic for topic in topics if not topic.startswith("__"))) or "none"
    return (
        f"Kafka has no topic {name!r}, and only {SENSOR_TOPIC} is created automatically. "
        f"Is the name right? It has: {has}"
    )

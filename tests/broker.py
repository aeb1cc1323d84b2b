"""Remove from a broker what other tests have left on it."""

import time
from contextlib import closing, suppress

from kafka import KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError

WAIT_SECONDS = 120


def forget_groups(bootstrap: str) -> None:
    """Delete every consumer group. Kafka refuses as long as a group has members, so retry."""
    deadline = time.monotonic() + WAIT_SECONDS
    with closing(KafkaAdminClient(bootstrap_servers=bootstrap)) as admin:
        while groups := [group["group_id"] for group in admin.list_groups()]:
            assert time.monotonic() < deadline, f"these groups stay: {groups}"
            with suppress(KafkaError):
                admin.delete_groups(groups)
            time.sleep(0.2)


def leave_only(bootstrap: str, topic: str, partitions: int) -> None:
    """Delete every topic but Kafka's own, then create this one, empty.

    Kafka no longer lists a topic while it is still deleting it. It is gone only when it can be
    created again.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    with closing(KafkaAdminClient(bootstrap_servers=bootstrap)) as admin:
        while True:
            assert time.monotonic() < deadline, f"{topic} is still being deleted"
            with suppress(KafkaError):
                admin.delete_topics([n for n in admin.list_topics() if not n.startswith("__")])
            try:
                admin.create_topics({topic: {"num_partitions": partitions}}, wait_for_metadata=True)
            except TopicAlreadyExistsError:
                time.sleep(0.2)
            else:
                return

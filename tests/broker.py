"""Take from a broker what other tests have left on it."""

import time
from contextlib import closing, suppress

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

WAIT_SECONDS = 120


def forget_groups(bootstrap: str) -> None:
    """Delete every consumer group. Kafka refuses while a member is there, so it is tried again."""
    deadline = time.monotonic() + WAIT_SECONDS
    with closing(KafkaAdminClient(bootstrap_servers=bootstrap)) as admin:
        while groups := [group["group_id"] for group in admin.list_groups()]:
            assert time.monotonic() < deadline, f"these groups stay: {groups}"
            with suppress(KafkaError):
                admin.delete_groups(groups)
            time.sleep(0.2)


def forget_topics(bootstrap: str) -> None:
    """Delete every topic but Kafka's own, and wait until it is done."""
    deadline = time.monotonic() + WAIT_SECONDS
    with closing(KafkaAdminClient(bootstrap_servers=bootstrap)) as admin:
        while topics := [name for name in admin.list_topics() if not name.startswith("__")]:
            assert time.monotonic() < deadline, f"these topics stay: {topics}"
            with suppress(KafkaError):
                admin.delete_topics(topics)
            time.sleep(0.2)

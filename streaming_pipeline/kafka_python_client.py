"""The reader's Kafka client, made with kafka-python."""

from collections import deque
from collections.abc import Iterable
from typing import Any

from kafka import ConsumerRebalanceListener, OffsetAndMetadata, TopicPartition
from kafka.errors import IllegalStateError

from streaming_pipeline.bounded_fetch import BoundedConsumer
from streaming_pipeline.client import Held, Poll

ANSWER_MS = 5000
CLOSE_MS = 3000
SETTINGS = {
    "enable_auto_commit": False,
    "auto_offset_reset": "earliest",  # never used: the reader seeks
    "isolation_level": "read_committed",
    "fetch_max_bytes": 2 * 1024 * 1024,
    "allow_auto_create_topics": False,
    "metrics_enabled": False,
    "metadata_max_age_ms": 30_000,  # new partitions are noticed within that time
    "reconnect_backoff_max_ms": 2000,
    "bootstrap_timeout_ms": ANSWER_MS,
    "session_timeout_ms": 10_000,
}


class _Assignments(ConsumerRebalanceListener):  # type: ignore[misc]
    """Stores which partitions were assigned and revoked; a rebalance listener that poll() calls."""

    def __init__(self) -> None:
        self.news: deque[set[int]] = deque()
        self.joining = True

    def on_partitions_revoked(self, revoked: list[TopicPartition]) -> None:
        """All partitions are revoked first; those that stay are assigned again."""
        self.joining = True
        self.news.append(set())

    def on_partitions_assigned(self, assigned: list[TopicPartition]) -> None:
        """These are assigned to this member now."""
        self.news.append({part.partition for part in assigned})
        self.joining = False


class KafkaPythonClient:
    """Implements streaming_pipeline.client.Client."""

    def __init__(self, bootstrap: str, topic: str, group: str | None) -> None:
        """Join the group; without one, read the partitions that `assign` names.

        Raises KafkaError if no broker answers.
        """
        self.topic = topic
        self.assignments = _Assignments()
        self.consumer = BoundedConsumer(bootstrap_servers=bootstrap, group_id=group, **SETTINGS)
        if group is not None:
            self.consumer.subscribe([topic], listener=self.assignments)
            self.consumer.partitions_for_topic(topic)  # unknown ones would need a second join

    def assign(self, partitions: Iterable[int]) -> None:
        """Read these partitions, without a group."""
        self.consumer.fetcher.collect()
        self.consumer.assign([self._part(partition) for partition in partitions])

    def poll(self, seconds: float) -> Poll:
        """See Client."""
        self.consumer.finish_join()
        self.consumer.poll(timeout_ms=int(seconds * 1000))
        stretches = self.consumer.fetcher.collect()
        joining = self.assignments.joining  # looked at first: once it is over, the news say so
        if not self.assignments.news:
            return Poll(None, stretches, joining)
        assigned = self.assignments.news.pop()
        self.assignments.news.clear()
        return Poll(assigned, {}, joining)

    def seek(self, partition: int, offset: int) -> bool:
        """See Client."""
        try:
            self.consumer.seek(self._part(partition), offset)
        except (AssertionError, IllegalStateError, KeyError, ValueError):
            return False  # a rebalance came first: the next poll reports it
        return True

    def held(self, partitions: Iterable[int] | None = None) -> dict[int, Held]:
        """See Client."""
        if partitions is None:
            partitions = self.consumer.partitions_for_topic(self.topic)
        parts = [self._part(partition) for partition in partitions]
        first = self.consumer.beginning_offsets(parts, timeout_ms=ANSWER_MS)
        end = self.consumer.end_offsets(parts, timeout_ms=ANSWER_MS)
        return {p.partition: Held(first[p], end[p]) for p in parts if p in first and p in end}

    def offset_at(self, partition: int, kafka_ms: int) -> int | None:
        """The first offset with a timestamp of `kafka_ms` or later, if there is one."""
        part = self._part(partition)
        found: Any = self.consumer.offsets_for_times(
            {part: max(kafka_ms, 0)}, timeout_ms=ANSWER_MS
        )[part]
        return found and int(found.offset)

    def commit(self, after: dict[int, int]) -> None:
        """See Client."""
        self.consumer.commit_async({self._part(p): OffsetAndMetadata(after[p]) for p in after})

    def close(self) -> None:
        """See Client."""
        self.consumer.close(timeout_ms=CLOSE_MS)

    def _part(self, partition: int) -> TopicPartition:
        return TopicPartition(self.topic, partition)

"""explore_kafka shows brokers, topics, keys and partitions, groups with their lag, and messages."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.partitioner.default import murmur2

from pipeline_common.settings import VALIDATOR_GROUP
from python_scripts import explore_kafka
from python_scripts.queries import as_objects
from tests.integration.explore.conftest import Script


def test_all_sections_are_shown_in_a_pipe(script: Script) -> None:
    """As plain tables or a note that there is nothing; then the end."""
    done = script("explore_kafka")
    assert done.returncode == 0, done.stderr
    for title in ("Brokers", "Topics", "Partitions", "Produced", "Consumed", "groups", "Newest"):
        assert title in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert "\x1b" not in done.stdout
    assert done.stderr == ""


def test_brokers_and_topics_are_those_of_the_cluster(
    as_json: Callable[..., Any], kafka: str, topic: str, send: Callable[[int], object]
) -> None:
    """The address that clients get, and each topic with its partitions and messages."""
    send(7)
    shown = as_json("explore_kafka", "brokers", "topics")
    assert [broker["advertised_address"] for broker in shown["brokers"]] == [kafka]
    assert {"topic": topic, "partitions": 6, "messages": 7} in shown["topics"]


def test_a_key_lands_in_the_partition_that_its_hash_says(
    as_json: Callable[..., Any], kafka: str
) -> None:
    """The same for each message of a key; all are consumed; the topic is gone afterwards."""
    shown = as_json("explore_kafka", "keys")
    for row in shown["produced"]:
        assert row["partition"] == (murmur2(row["key"].encode()) & 0x7FFFFFFF) % 3
        assert row["partition"] == row["hash % 3"]
    produced = [(row["partition"], row["offset"], row["key"]) for row in shown["produced"]]
    consumed = [(row["partition"], row["offset"], row["key"]) for row in shown["consumed"]]
    assert sorted(produced) == consumed
    assert len(consumed) == 8
    with closing(KafkaAdminClient(bootstrap_servers=kafka)) as admin:
        assert not [name for name in admin.list_topics() if name.startswith("explore_keys")]


def test_lag_is_what_the_group_has_not_read(
    as_json: Callable[..., Any],
    topic: str,
    send: Callable[[int], object],
    drain: Callable[[], None],
) -> None:
    """None after the validator drained the topic; ten after ten more."""

    def lag() -> int:
        groups = as_json("explore_kafka", "groups")["groups"]
        ours = [row for row in groups if row["topic"] == topic]
        assert {row["group"] for row in ours} == {VALIDATOR_GROUP}
        return sum(row["lag"] for row in ours)

    send(30)
    drain()
    assert lag() == 0
    send(10)
    assert lag() == 10


def test_a_peek_shows_the_newest_message_of_each_partition_whatever_its_bytes(
    kafka: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a message without a value, and bytes that are no text."""
    with closing(KafkaProducer(bootstrap_servers=kafka)) as producer:
        producer.send(topic, partition=0, key=b"k", value=b"old").get(timeout=120)
        producer.send(topic, partition=0, key=b"k", value=b"new").get(timeout=120)
        producer.send(topic, partition=3, key=b"k", value=None).get(timeout=120)
        producer.send(topic, partition=5, key=None, value=b"\xff\x00").get(timeout=120)
    # The script looks into the real topic only, which belongs to other tests.
    monkeypatch.setattr(explore_kafka, "SENSOR_TOPIC", topic)
    with closing(KafkaAdminClient(bootstrap_servers=kafka)) as admin:
        (shown,) = explore_kafka.peek(admin, kafka)
    assert [tuple(row.values()) for row in as_objects(shown)] == [
        (0, 1, "k", "new"),
        (3, 0, "k", "(null)"),
        (5, 0, "(null)", "\\xff\x00"),
    ]


def test_a_broker_that_does_not_answer_is_one_sentence(
    script: Script, environment: dict[str, str]
) -> None:
    """No traceback and no log lines of the client."""
    environment["KAFKA_BOOTSTRAP_SERVERS"] = "localhost:1"
    done = script("explore_kafka", "brokers")
    assert done.returncode == 1
    assert "Is the stack up? make status" in done.stderr
    assert done.stderr.count("\n") == 1

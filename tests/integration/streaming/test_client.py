"""What the reader requires of a Kafka client: each implementation must pass this."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from kafka import KafkaAdminClient, KafkaProducer

from streaming_pipeline.client import Client, Held, Stretch
from streaming_pipeline.kafka_python_client import KafkaPythonClient
from tests.conftest import delete_topic

IMPLEMENTATIONS: list[Callable[[str, str, str], Client]] = [KafkaPythonClient]
SECONDS = 90


@pytest.fixture(params=IMPLEMENTATIONS)
def client(request: pytest.FixtureRequest, kafka: str, topic: str) -> Iterator[Client]:
    """The only member of a group of its own, with all partitions."""
    client: Client = request.param(kafka, topic, topic)
    deadline = time.monotonic() + SECONDS
    assigned: set[int] | None = None
    while not assigned:
        assert time.monotonic() < deadline, "the group gives no partitions"
        assigned = client.poll(0.2).assigned
    yield client
    client.close()


def send(kafka: str, topic: str, *values: bytes) -> None:
    with closing(KafkaProducer(bootstrap_servers=kafka)) as producer:
        for value in values:
            producer.send(topic, value, partition=0)


def read(client: Client, start: int, after: int) -> list[Stretch]:
    """The stretches of partition 0 from `start` until one ends at `after`."""
    assert client.seek(0, start)
    found: list[Stretch] = []
    deadline = time.monotonic() + SECONDS
    while not found or found[-1].after < after:
        assert time.monotonic() < deadline, found
        found += [s for p, s in client.poll(0.2).stretches.items() if p == 0]
    return found


def test_stretches_follow_on_one_another_from_where_it_was_sought(
    client: Client, kafka: str, topic: str
) -> None:
    send(kafka, topic, b"a", b"b", b"c")
    found = read(client, 1, 3)
    assert [s.start for s in found] == [1, *(s.after for s in found[:-1])]
    assert [(r.offset, r.value) for s in found for r in s.records] == [(1, b"b"), (2, b"c")]


def test_what_was_read_before_can_be_read_again(client: Client, kafka: str, topic: str) -> None:
    send(kafka, topic, b"a", b"b")
    assert read(client, 0, 2)[0].start == read(client, 0, 2)[0].start == 0


def test_the_mark_of_a_transaction_is_passed(client: Client, kafka: str, topic: str) -> None:
    with closing(KafkaProducer(bootstrap_servers=kafka, transactional_id=topic)) as producer:
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(topic, b"aborted", partition=0)
        producer.flush()
        producer.abort_transaction()
    found = read(client, 0, 2)
    assert [record for stretch in found for record in stretch.records] == []


def test_it_knows_what_kafka_holds(client: Client, kafka: str, topic: str) -> None:
    send(kafka, topic, b"a")
    assert client.held([0, 1]) == {0: Held(0, 1), 1: Held(0, 0)}
    assert len(client.held()) == 6


def test_a_partition_that_it_does_not_have_cannot_be_sought(client: Client) -> None:
    assert not client.seek(99, 0)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_a_member_for_which_no_partition_is_left_has_joined_too(
    implementation: Callable[[str, str, str], Client], kafka: str, topic: str
) -> None:
    name = f"{topic}_of_one"
    with closing(KafkaAdminClient(bootstrap_servers=kafka)) as admin:
        admin.create_topics({name: {"num_partitions": 1}}, wait_for_metadata=True)
        with (
            closing(implementation(kafka, name, name)) as first,
            closing(implementation(kafka, name, name)) as second,
        ):
            assigned: dict[Client, set[int]] = {}
            joining = {first: True, second: True}
            deadline = time.monotonic() + SECONDS
            while any(joining.values()) or sorted(map(len, assigned.values())) != [0, 1]:
                assert time.monotonic() < deadline, (joining, assigned)
                for member in joining:
                    polled = member.poll(0.2)
                    joining[member] = polled.joining
                    if polled.assigned is not None:
                        assigned[member] = polled.assigned
        delete_topic(admin, name)

"""A validator reads on when its topic has got more partitions, however long joining takes."""

import time
from threading import Event
from typing import Any

import pytest
from kafka import KafkaAdminClient

from pipeline_common.settings import SENSOR_TOPIC_PARTITIONS
from streaming_pipeline import reader
from streaming_pipeline.database import Database
from streaming_pipeline.kafka_python_client import KafkaPythonClient


def read_until_it_holds(member: reader.Reader, partitions: int) -> None:
    """Read until the group has given the member so many partitions."""
    deadline = time.monotonic() + 90
    while len(member.positions.doubtful()) != partitions:
        assert time.monotonic() < deadline, f"holds {member.positions.doubtful()}"
        member.read()


def test_a_join_that_outlasts_the_poll_in_which_it_began_comes_to_its_end(
    kafka: str, topic: str, timeseries_db: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        reader, "POLL_SECONDS", 0.001
    )  # so short that every join outlasts some polls
    stopping = Event()
    database = Database(timeseries_db, stopping)
    member = reader.Reader(
        kafka, topic, topic, database=database, stopping=stopping, accept_loss=False
    )
    read_until_it_holds(member, SENSOR_TOPIC_PARTITIONS)

    admin = KafkaAdminClient(bootstrap_servers=kafka)
    admin.create_partitions({topic: SENSOR_TOPIC_PARTITIONS + 1})
    admin.close()
    client = member.client
    assert isinstance(client, KafkaPythonClient)
    client.consumer._cluster.request_update()  # else it would look in five minutes

    read_until_it_holds(member, SENSOR_TOPIC_PARTITIONS + 1)
    member.client.close()

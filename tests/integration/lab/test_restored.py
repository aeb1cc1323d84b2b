"""The grader of the restore: a separate server is really restored, and a validator resumes."""

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timezone

import pytest
from kafka import KafkaProducer

from backup.__main__ import back_up, restore
from backup.places import Processes
from lab.exercises.exercise import Lab, NotYet
from lab.exercises.page_6 import grade_restored
from local_stack.stack import Stack
from tests.integration.lab.solutions.learner import changed
from tests.integration.streaming.conftest import Pipeline
from tests.own_stack import stack_of_its_own

SERVER = "my_timescaledb"


@pytest.fixture
def own() -> Iterator[Stack]:
    """A TimescaleDB that only this test restores."""
    with stack_of_its_own("restored", SERVER) as stack:
        yield stack


@pytest.fixture
def pipeline(own: Stack, kafka: str, topic: str) -> Iterator[Pipeline]:
    """A topic of the tests' broker, and validators that fill that server."""
    with closing(KafkaProducer(bootstrap_servers=kafka)) as producer:
        pipeline = Pipeline(kafka, topic, own.settings.timescale, producer)
        yield pipeline
        pipeline.close()


def test_only_a_restored_database_that_has_caught_up_is_right(
    own: Stack, pipeline: Pipeline
) -> None:
    settings = changed(own.settings, kafka_bootstrap_servers=pipeline.kafka)
    lab = Lab(settings, pipeline.topic, pipeline.topic)

    def is_wrong(found: str) -> None:
        with pytest.raises(NotYet, match=found):
            grade_restored(lab)

    def store(first: int) -> None:
        pipeline.send(*map(pipeline.reading, range(first, first + 100)))
        pipeline.validate()

    store(0)
    back_up(Processes(own), [SERVER])
    time.sleep(1.1)  # a backup's name has whole seconds
    moment = datetime.now(timezone.utc)
    store(100)
    is_wrong("never restored")

    restore(Processes(own), [SERVER], moment)
    assert pipeline.ledger() == (100, 100, 0)
    is_wrong("no record has been stored")

    pipeline.validate()
    assert pipeline.ledger() == (200, 200, 0)
    grade_restored(lab)

    pipeline.send(pipeline.reading(200))
    pipeline.producer.flush()
    is_wrong("not read yet")
    pipeline.execute('DELETE FROM sensor_readings WHERE topic IS NOT NULL AND "offset" = 7')
    is_wrong("a record is missing")

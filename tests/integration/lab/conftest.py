"""A learner with fresh databases, and a topic and consumer group of their own."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from lab.exercises.exercise import Lab
from local_stack.stack import Stack
from tests.integration.lab.solutions.learner import Learner, changed


@pytest.fixture
def learner(
    stack: Stack, pipeline_db: dict[str, Any], timeseries_db: dict[str, Any], kafka: str
) -> Iterator[Learner]:
    """A learner; what it starts is ended and the topics that it makes are deleted afterwards."""
    settings = changed(
        stack.settings,
        pgdatabase=pipeline_db["dbname"],
        timescale_database=timeseries_db["dbname"],
        kafka_bootstrap_servers=kafka,
    )
    name = f"lab_{uuid.uuid4().hex[:12]}"
    learner = Learner(stack, Lab(settings, name, name))
    with learner.at_the_end:
        yield learner

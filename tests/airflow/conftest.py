"""Airflow of the tests' stack, with its web server, scheduler and dag-processor."""

from collections.abc import Iterator

import pytest

from local_stack.stack import Stack


@pytest.fixture(scope="package")
def airflow(stack: Stack) -> Iterator[Stack]:
    """The stack with Airflow healthy on it; it would slow down all other tests, so it ends here."""
    stack.up("airflow_scheduler")
    yield stack
    stack.stop("airflow_webserver", "airflow_scheduler")

"""Airflow of the tests' stack, with its web server, scheduler and dag-processor."""

from collections.abc import Iterator

import pytest

from local_stack.stack import Stack


@pytest.fixture(scope="package")
def airflow(stack: Stack) -> Iterator[Stack]:
    """The whole stack after a first start; Airflow ends here, as it would slow down other tests."""
    stack.reset()
    stack.up()
    yield stack
    stack.stop("airflow_webserver", "airflow_scheduler")
